"""What follows from what the ears noticed: interruptions, committed turns, answers, prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from voiceserver.engine.messages import AudioDelta, TextDelta
from voiceserver.session import notices as n
from voiceserver.session.answerer import Answerer
from voiceserver.session.conversation import Conversation
from voiceserver.session.items import Item, spoken_by_user
from voiceserver.session.listening.ears import Ears
from voiceserver.session.listening.events import (
    Doubt,
    DoubtOver,
    EarEvent,
    HeardToPause,
    InterimText,
    JudgedUnfinished,
    Listened,
    ReadInPause,
    SpeechBegan,
    SpeechResumed,
    TurnOver,
    TurnRead,
    UtteranceEvent,
)
from voiceserver.session.listening.hearing import Hearing
from voiceserver.session.reply import Reply
from voiceserver.session.speaker import MOST_DOUBT_S, TIMER_ERROR_S, Speaker
from voiceserver.session.speaking_up import SpeakingUp
from voiceserver.session.timing import TurnMarks, to_ms, to_samples

# Who goes on so soon after the end of a turn, and heard so little of the answer, had not finished.
_GOES_ON_SAMPLES = to_samples(2500)
_HARDLY_S, _HARDLY_WORDS = 1.0, 3


class TurnTaking:
    """Joins the listening and the speaking half of a session."""

    def __init__(
        self,
        ears: Ears,
        speaker: Speaker,
        answerer: Answerer,
        conversation: Conversation,
        new_id: Callable[[str], str],
        put: Callable[[n.Effect], None],
    ) -> None:
        self._ears = ears
        self._speaker = speaker
        self._answerer = answerer
        self._conversation = conversation
        self._put = put
        self.speaking_up = SpeakingUp(ears, speaker, answerer, new_id, put, self._commit_item)

    def heed(self, events: list[EarEvent], now_s: float) -> None:
        """Do what follows from what the ears noticed."""
        for event in events:
            match event:
                case Doubt():
                    self._doubt(now_s)
                case DoubtOver():
                    self.go_on(now_s)
                case Listened():
                    self.speaking_up.listened(now_s)
                case UtteranceEvent():
                    self._heed_utterance(event, event.hearing, now_s)

    def _heed_utterance(self, event: UtteranceEvent, hearing: Hearing, now_s: float) -> None:
        match event:
            case SpeechBegan():
                self._speech_began(hearing, now_s)
            case InterimText(text=text):
                if self._ears.show_interim:
                    self._put(n.Interim(hearing.item_id, text))
                self._answerer.read_ahead(spoken_by_user(hearing.item_id, text))
            case HeardToPause(end_sample=end_sample):
                item = spoken_by_user(hearing.item_id, None, (hearing.start_sample, end_sample))
                self._answerer.prepare(item, self._marks(hearing, now_s))
            case ReadInPause():
                marks = self._marks(hearing, now_s)
                marks.recognised_s = now_s
                self._answerer.prepare(spoken_by_user(hearing.item_id, hearing.text), marks)
            case SpeechResumed() | JudgedUnfinished():
                self._speaker.drop_held()
                self.announce_turn()
            case TurnOver(by_voice=by_voice):
                self._turn_over(hearing, by_voice, now_s)
            case TurnRead():
                self._turn_read(hearing, now_s)

    def engine_said(self, message: TextDelta | AudioDelta, now_s: float) -> None:
        """More of a reply. A prepared one also tells whether the user's words are all of a turn."""
        held = self._speaker.held
        complete = message.complete if isinstance(message, TextDelta) else None
        address = message.epoch, message.response_id
        if complete is not None and held and address == (held.epoch, held.response_id):
            self._ears.words_judged(complete)
        self._speaker.engine_said(message, now_s)

    def _doubt(self, now_s: float) -> None:
        """Somebody may be interrupting: say no more until it is clear."""
        turns = self._ears.settings
        if turns is not None and turns.interrupt_response:
            self._speaker.doubt(now_s)

    def go_on(self, now_s: float) -> None:
        """Nobody has interrupted."""
        with self.noticing_the_end(now_s):
            self._speaker.go_on(now_s)

    @contextmanager
    def noticing_the_end(self, now_s: float) -> Iterator[None]:
        """What happens meanwhile may end the reply under way."""
        was_active = self._speaker.active
        yield
        if was_active is not None and self._speaker.active is None:
            self.reply_over(now_s)

    def reminded(self, now_s: float) -> None:
        """A doubt has lasted long enough, whatever more is heard, or a reply is to go on."""
        if self._speaker.doubted_for_s(now_s) >= MOST_DOUBT_S - TIMER_ERROR_S:
            self.go_on(now_s)
        with self.noticing_the_end(now_s):
            self._speaker.go_on_if_due(now_s)

    def _speech_began(self, hearing: Hearing, now_s: float) -> None:
        self.speaking_up.idle_since_s = None
        self._put(n.SpeechStarted(hearing.item_id, to_ms(hearing.start_sample)))
        turns = self._ears.settings
        if turns is not None and turns.interrupt_response:
            self._interrupt(hearing, now_s)
        self.announce_turn()
        self._answerer.read_ahead()

    def announce_turn(self) -> None:
        """Let an engine that hears know what the turn under way, if any, comes after."""
        current = self._ears.current_item_id
        dialogue = self._conversation.dialogue(self._answerer.settings.instructions)
        start_sample = None
        if current is not None and self._conversation.continues(current) and dialogue:
            start_sample = dialogue[-1].start_sample
            dialogue = dialogue if start_sample is None else dialogue[:-1]
        self._ears.announce_turn(dialogue, start_sample)

    def _interrupt(self, hearing: Hearing, now_s: float) -> None:
        self._answerer.interrupted()
        active = self._speaker.active
        if active is not None and not active.options.in_conversation:
            return  # the voice ends only what belongs to the conversation
        stopped = self._speaker.cancel("turn_detected", now_s)
        self._maybe_take_back(stopped, hearing)
        onset_s = self._ears.clock.wall_s(hearing.onset_sample)
        if stopped is not None and onset_s is not None:
            self._put(
                n.InterruptionTimed(
                    response_id=stopped.response_id,
                    item_id=hearing.item_id,
                    onset_ms=to_ms(hearing.onset_sample),
                    stopped_ms=round((now_s - onset_s) * 1000, 1),
                    heard_ms=int((stopped.heard_s or 0.0) * 1000),
                )
            )
        self._answerer.next_aside(now_s)

    def _maybe_take_back(self, stopped: Reply | None, hearing: Hearing) -> None:
        """Who goes on right after we began to answer was not done: both pieces are one turn."""
        last = self._conversation.last_spoken_by_user()
        if last is None or last.end_sample is None:
            return
        if hearing.onset_sample - last.end_sample > _GOES_ON_SAMPLES:
            return
        if stopped is not None:
            if stopped.answers_item_id != last.item_id or not _hardly_heard(stopped):
                return
            self._conversation.take_back(stopped.item_id)
        continued = self._conversation.continue_with(hearing.item_id)
        if continued is not None:
            self._answerer.continued(continued)

    def _marks(self, hearing: Hearing, now_s: float) -> TurnMarks:
        if hearing.marks is None:
            spoke_until = hearing.spoke_until_sample
            wall_s = self._ears.clock.wall_s(spoke_until)
            hearing.marks = TurnMarks(to_ms(spoke_until), now_s if wall_s is None else wall_s)
        return hearing.marks

    def _turn_over(self, hearing: Hearing, by_voice: bool, now_s: float) -> None:
        assert hearing.end_sample is not None, "a turn that is over has an end"
        self._marks(hearing, now_s).end_of_turn_s = now_s
        turns = self._ears.settings
        if by_voice:
            self._put(n.SpeechStopped(hearing.item_id, to_ms(hearing.end_sample)))
            if turns is not None and turns.create_response:
                self._answerer.expect(hearing.item_id)
        else:
            self._speaker.drop_held()
        item = spoken_by_user(hearing.item_id, None, hearing.span)
        self._commit_item(item, hearing.start_sample, hearing.end_sample)
        self._answerer.turn_heard(item, self._marks(hearing, now_s), now_s)

    def _commit_item(self, item: Item, start_sample: int, end_sample: int) -> None:
        before = self._conversation.last_id
        self._put(n.Committed(item.item_id, before, start_sample, end_sample))
        before = self._conversation.add(item)
        self._put(n.ItemAdded(item, before))
        self._put(n.ItemDone(item, before))

    def _turn_read(self, hearing: Hearing, now_s: float) -> None:
        text = "" if hearing.failed else (hearing.text or "")
        marks = self._marks(hearing, now_s)
        if marks.recognised_s is None:
            marks.recognised_s = now_s
        self.write_down(hearing.item_id, 0, text)
        if hearing.failed:
            message = "This audio could not be transcribed."
            self._put(n.TranscriptionFailed(hearing.item_id, 0, message))
        else:
            self._put(n.Transcribed(hearing.item_id, 0, text, hearing.audio_s))
        self._answerer.turn_read(spoken_by_user(hearing.item_id, text, hearing.span), marks, now_s)

    def write_down(self, item_id: str, part_index: int, text: str) -> None:
        """Put the text of a user's audio where it belongs."""
        item = self._conversation.get(item_id)
        if item is not None:
            self._conversation.replace(item.with_part_text(part_index, text))

    def reply_over(self, now_s: float) -> None:
        """A reply has ended, but not by the user's voice."""
        self.speaking_up.idle_since_s = now_s
        self._answerer.reply_over(now_s)


def _hardly_heard(reply: Reply) -> bool:
    """Whether so little of it was heard that it may be taken back."""
    heard_s = reply.heard_s or 0.0
    words = reply.spoken().heard_text(heard_s).split()
    return reply.options.speak and heard_s < _HARDLY_S and len(words) <= _HARDLY_WORDS
