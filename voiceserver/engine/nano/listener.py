"""Hears every slot: the common microphones, and words by Whisper in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from voiceserver.engine.family import FloorScore, Heard, Transcript, TurnScore
from voiceserver.engine.listening.background import Background, Job
from voiceserver.engine.listening.microphones import UNKNOWN, Microphones
from voiceserver.engine.nano.recogniser import Recogniser

if TYPE_CHECKING:  # it imports torch
    from voiceserver.nn.judges import Judge


class Listener(Microphones):
    """Microphones whose speech is recognised."""

    floor: Judge | None = None  # None: what a sound over ours is cannot be told
    turn_end: Judge | None = None  # None: as microphones predict it

    def __init__(
        self, vad: Path, turn_end: Path, recogniser: Path, slots: int, wake: Callable[[], None]
    ) -> None:
        super().__init__(vad, turn_end, slots, wake)
        self._recogniser = Recogniser(recogniser)
        self._words: Background[Heard] = Background("recogniser", wake)

    def close(self, slot: int) -> None:
        super().close(slot)
        self._words.forget(slot)

    def listen(self) -> list[Heard]:
        return super().listen() + self._words.collect()

    def recognise(self, slot: int, request_id: int, begin: int, end: int, *, final: bool) -> None:
        samples = self.read(slot, begin, end)

        def work() -> Heard:
            return Transcript(slot, request_id, self._recogniser.transcribe(samples))

        failed = Transcript(slot, request_id, "", failed=True)
        self._words.submit(Job(slot, work, failed, firm=final))

    def judge_floor(self, slot: int, request_id: int, begin: int, end: int) -> None:
        if self.floor is None:
            super().judge_floor(slot, request_id, begin, end)
            return
        judged = self._judging(self.floor, slot, begin, end)

        def work() -> Heard:
            return FloorScore(slot, request_id, judged())

        self._words.submit(Job(slot, work, FloorScore(slot, request_id, None), firm=True))

    def predict_turn_end(self, slot: int, request_id: int, begin: int, end: int) -> None:
        if self.turn_end is None:
            super().predict_turn_end(slot, request_id, begin, end)
            return
        judged = self._judging(self.turn_end, slot, begin, end)

        def work() -> Heard:
            return TurnScore(slot, request_id, judged())

        self._words.submit(Job(slot, work, TurnScore(slot, request_id, UNKNOWN), firm=True))

    def _judging(self, judge: Judge, slot: int, begin: int, end: int) -> Callable[[], float]:
        """How to judge audio of a slot, later and in the recogniser's thread."""
        samples = self.read(slot, begin, end)
        to_encode = judge.question.pooling.to_encode(samples)
        return lambda: judge.probability(self._recogniser.states(to_encode), len(samples))

    def end(self) -> None:
        self._words.end()
        super().end()
