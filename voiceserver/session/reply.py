"""One reply on its way to the client: its text, its words, how much of each has been sent.

Keeps transcript deltas in step with the sound.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from voiceserver.engine.messages import (
    AudioDelta,
    ChatMessage,
    ResponseEnded,
    TextDelta,
    WordTiming,
)
from voiceserver.session.conversation import Spoken
from voiceserver.session.items import Item, ItemStatus, assistant_message
from voiceserver.session.notices import CalledItem, ReplyInfo, ReplyStatus, TurnTimed
from voiceserver.session.settings import ReplyOptions
from voiceserver.session.timing import TurnMarks
from voiceserver.session.usage import Usage

FromReply = TextDelta | AudioDelta | ResponseEnded


@dataclass
class Reply:
    """A reply, from the moment it is decided on or prepared."""

    response_id: str
    item_id: str
    epoch: int
    options: ReplyOptions
    answers_item_id: str
    marks: TurnMarks
    dialogue: tuple[ChatMessage, ...] | None = None  # None: not yet handed to the engine
    held: list[FromReply] | None = None  # a list: prepared on suspicion, the client knows nothing
    waiting: deque[FromReply] = field(default_factory=deque)  # kept back for a moment
    doubted_s: float | None = None  # since when the user may be interrupting it
    over: bool = False  # the client has been told of its end
    item_begun: bool = False
    text: str = ""  # written so far
    sent_chars: int = 0
    sent_s: float = 0.0
    words: list[WordTiming] = field(default_factory=list)
    words_sent: int = 0
    heard_s: float | None = None  # once it has been cut short: how much was heard
    timed: bool = False  # its timing has been reported
    usage: Usage = field(default_factory=Usage)
    concealed_frames: int = 0
    thinker_failure: str = ""
    previous_item_id: str | None = None

    def written(self, text: str) -> str:
        """More text has been written; return what of it to send now."""
        self.text += text
        return "" if self.options.speak else self._send_up_to(len(self.text))

    def sounding(self, words: tuple[WordTiming, ...], duration_s: float) -> str:
        """The next piece of sound is about to be sent; return the transcript that belongs to it."""
        self.words.extend(words)
        self.sent_s += duration_s
        sent = ""
        while self.words_sent < len(self.words):
            word = self.words[self.words_sent]
            if word.start_s >= self.sent_s:
                break
            self.words_sent += 1
            sent += self._send_up_to(self._end_of_word(word))
        return sent

    def rest(self) -> str:
        """The reply is complete: whatever text has not been sent."""
        return self._send_up_to(len(self.text))

    def _send_up_to(self, end: int) -> str:
        start = self.sent_chars
        self.sent_chars = max(start, min(end, len(self.text)))
        return self.text[start : self.sent_chars]

    def _end_of_word(self, word: WordTiming) -> int:
        """The end of a word with the punctuation that clings to it."""
        end = word.char_end
        while (
            end < len(self.text) and not self.text[end].isspace() and not self.text[end].isalnum()
        ):
            end += 1
        return end

    def spoken(self) -> Spoken:
        """What was said of it, and when."""
        return Spoken(self.text[: self.sent_chars], tuple(self.words[: self.words_sent]))

    def timing(self, first_audio_s: float | None) -> TurnTimed:
        """How long the steps of its turn took; reported once."""
        self.timed, marks = True, self.marks
        marks.first_audio_s = first_audio_s
        return TurnTimed(
            response_id=self.response_id,
            item_id=self.answers_item_id,
            speech_end_ms=marks.speech_end_ms,
            end_of_turn_ms=marks.since_speech_ms(marks.end_of_turn_s),
            recognised_ms=marks.since_speech_ms(marks.recognised_s),
            first_text_ms=marks.since_speech_ms(marks.first_text_s),
            first_audio_ms=marks.since_speech_ms(marks.first_audio_s),
        )

    def item(self, status: ItemStatus) -> Item:
        """Its item as it stands."""
        text = self.text[: self.sent_chars]
        return assistant_message(self.item_id, text, spoken=self.options.speak, status=status)

    def info(
        self,
        status: ReplyStatus,
        *,
        reason: str | None = None,
        error_code: str | None = None,
        error_message: str = "",
        item: Item | None = None,
        calls: tuple[CalledItem, ...] = (),
    ) -> ReplyInfo:
        """A snapshot for a notice."""
        return ReplyInfo(
            response_id=self.response_id,
            item_id=self.item_id,
            speak=self.options.speak,
            in_conversation=self.options.in_conversation,
            metadata=self.options.metadata,
            max_output_tokens=self.options.max_output_tokens,
            status=status,
            reason=reason,
            error_code=error_code,
            error_message=error_message,
            item=item,
            usage=self.usage,
            concealed_frames=self.concealed_frames,
            calls=calls,
            sound=self.options.sound,
            thinker_failure=self.thinker_failure,
        )
