"""A small real family for tests of the loop: it writes given words, and speaks one a frame.

It keeps a record of every call, and fails where a test tells it to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from voiceserver.engine.family import (
    Ended,
    FloorScore,
    Heard,
    Made,
    Samples,
    Shape,
    Spoken,
    Task,
    Transcript,
    TurnScore,
    Window,
    Work,
    Written,
)
from voiceserver.engine.messages import ChatMessage, EndReason, NoiseReduction, WordTiming


@dataclass
class WordFamily:
    """Replies with the words of `verbatim`, or of the last message; a word is a frame of 0.1 s."""

    slots: int = 4
    shape: Shape = field(init=False)
    opened: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    to_write: dict[int, list[str]] = field(default_factory=dict)
    to_speak: dict[int, list[str]] = field(default_factory=dict)
    talked: list[list[int]] = field(default_factory=list)
    lengths: dict[int, int] = field(default_factory=dict)
    turns: list[tuple[int, int, tuple[ChatMessage, ...]]] = field(default_factory=list)
    heard_from_us: list[tuple[int, int, float]] = field(default_factory=list)  # samples, begins in
    hushed_slots: list[int] = field(default_factory=list)
    held_back_s: list[tuple[int, float]] = field(default_factory=list)
    noise: list[tuple[int, NoiseReduction | None]] = field(default_factory=list)
    ahead: list[tuple[int, tuple[ChatMessage, ...]]] = field(default_factory=list)
    to_read: int = 0  # pieces that are read when nothing else is to be done
    gathers: bool = False
    fail: set[str] = field(default_factory=set)  # names of methods that raise

    def __post_init__(self) -> None:
        self.shape = Shape("words", self.slots, 1000, frame_samples=100, gathers=self.gathers)

    def _may_fail(self, name: str) -> None:
        if name in self.fail:
            raise RuntimeError(f"{name} was told to fail")

    def open(self, slot: int) -> None:
        self.opened.append(slot)

    def close(self, slot: int) -> None:
        self.stop(slot)
        self.closed.append(slot)

    def hear(self, slot: int, pcm16: bytes) -> None:
        self.heard.append(Window(slot, len(pcm16) // 2, 1.0, -20.0, 0.0))

    def reduce_noise(self, slot: int, noise: NoiseReduction | None) -> None:
        self.noise.append((slot, noise))

    def recognise(
        self, slot: int, request_id: int, start_sample: int, end_sample: int, final: bool
    ) -> None:
        self.heard.append(Transcript(slot, request_id, f"{start_sample}-{end_sample}"))

    def judge_floor(self, slot: int, request_id: int, start_sample: int, end_sample: int) -> None:
        self.heard.append(FloorScore(slot, request_id, 0.25))

    def predict_turn_end(
        self, slot: int, request_id: int, start_sample: int, end_sample: int
    ) -> None:
        self.heard.append(TurnScore(slot, request_id, 0.75))

    def turn_began(self, slot: int, start_sample: int, dialogue: tuple[ChatMessage, ...]) -> None:
        self.turns.append((slot, start_sample, dialogue))

    def read_ahead(self, slot: int, dialogue: tuple[ChatMessage, ...]) -> None:
        self.ahead.append((slot, dialogue))

    def warm(self) -> None:
        self._may_fail("warm")
        self.to_read -= 1

    def listen(self) -> list[Heard]:
        heard, self.heard = self.heard, []
        return heard

    def begin(self, slot: int, task: Task) -> None:
        self._may_fail("begin")
        words = (task.verbatim or task.dialogue[-1].text).split()
        self.to_write[slot] = words[:]
        self.lengths[slot] = len(words)
        if task.speak:
            self.to_speak[slot] = []

    def stop(self, slot: int) -> None:
        for books in (self.to_write, self.to_speak, self.lengths):
            books.pop(slot, None)

    def think(self) -> list[Made]:
        self._may_fail("think")
        made: list[Made] = []
        for slot, words in list(self.to_write.items()):
            if words:
                word = words.pop(0)
                made.append(Written(slot, word))
                if slot in self.to_speak:
                    self.to_speak[slot].append(word)
            if not words and slot not in self.to_speak:
                made.append(self._ended(slot))
        return made

    def talk(self, slots: Sequence[int]) -> list[Made]:
        self._may_fail("talk")
        self.talked.append(list(slots))
        made: list[Made] = []
        for slot in slots:
            word = self.to_speak[slot].pop(0)
            timing = (WordTiming(word, 0, len(word), 0.0, 0.1),)
            made.append(Spoken(slot, np.full(100, 0.5, np.float32), timing))
            if not self.to_speak[slot] and not self.to_write[slot]:
                made.append(self._ended(slot))
        return made

    def played(self, slot: int, samples: Samples, begins_in_s: float) -> None:
        assert begins_in_s >= 0.0
        self.heard_from_us.append((slot, len(samples), begins_in_s))

    def held_back(self, slot: int, silent_s: float) -> None:
        self.held_back_s.append((slot, silent_s))

    def hushed(self, slot: int) -> None:
        self.hushed_slots.append(slot)

    def work(self) -> Work:
        return Work(
            listening=bool(self.heard),
            thinking=any(self.to_write.values()),
            talking=[slot for slot, words in self.to_speak.items() if words],
            cold=self.to_read > 0,
        )

    def shut_down(self) -> None:
        self.opened.clear()

    def _ended(self, slot: int) -> Ended:
        words = self.lengths[slot]
        self.stop(slot)
        return Ended(slot, EndReason.COMPLETED, text_tokens=words, audio_frames=words)
