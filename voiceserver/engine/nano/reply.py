"""One slot's reply on its way from text to sound: what is written, what is spoken, what is left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voiceserver.engine.family import Ended, Task
from voiceserver.engine.messages import EndReason, WordTiming
from voiceserver.engine.thinking.thinker import Thinking

# Written ahead of the word being spoken: enough that the voice never waits for the thinker (five
# seconds of speech), little enough that an interruption wastes nothing to speak of.
WORDS_AHEAD = 14


@dataclass
class Reply:
    """The books of one reply."""

    task: Task
    verbatim: deque[str]  # words still to be handed to the voice; empty for a thought reply
    text: str = ""
    spoken_chars: int = 0
    text_ended: EndReason | None = None
    sound_ended: bool = False
    audio_frames: int = 0
    thought: Thinking | None = None  # the thinker's newest word on it

    @classmethod
    def of(cls, task: Task) -> Reply:
        words = [] if task.verbatim is None else task.verbatim.split()
        spaced = [word if index == 0 else f" {word}" for index, word in enumerate(words)]
        return cls(task, deque(spaced))

    @property
    def wants_text(self) -> bool:
        """Whether the next piece of text may be written now."""
        if self.text_ended is not None:
            return False
        ahead = len(self.text[self.spoken_chars :].split())
        return not self.task.speak or ahead < WORDS_AHEAD

    @property
    def is_verbatim(self) -> bool:
        return self.task.verbatim is not None

    def next_verbatim(self) -> str:
        """The next words of a given text, as many as may be written ahead."""
        pieces: list[str] = []
        while self.verbatim and len(pieces) < WORDS_AHEAD:
            pieces.append(self.verbatim.popleft())
        if not self.verbatim:
            self.text_ended = EndReason.COMPLETED
        return "".join(pieces)

    def spoke(self, words: tuple[WordTiming, ...]) -> None:
        """Count a frame of sound and the words whose timing came with it."""
        self.audio_frames += 1
        for word in words:
            self.spoken_chars = max(self.spoken_chars, word.char_end)

    def ended(self, slot: int) -> Ended | None:
        """The closing message, once all text and sound is out."""
        if self.text_ended is None or (self.speaks and not self.sound_ended):
            return None
        thought = self.thought or Thinking(slot, "")
        return Ended(
            slot=slot,
            reason=self.text_ended,
            prompt_tokens=thought.prompt_tokens,
            text_tokens=thought.text_tokens,
            audio_frames=self.audio_frames,
            message=thought.message,
            calls=thought.calls,
            thinker_failure=thought.failure,
        )

    @property
    def speaks(self) -> bool:
        """Whether sound is due: a reply without a word has none."""
        return self.task.speak and bool(self.text.strip())
