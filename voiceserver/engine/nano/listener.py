"""Hears every slot: the common microphones, and words by Whisper in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from voiceserver.audio.floor_features import to_encode
from voiceserver.engine.family import FloorScore, Heard, Transcript
from voiceserver.engine.listening.background import Background, Job
from voiceserver.engine.listening.microphones import Microphones
from voiceserver.engine.nano.recogniser import Recogniser

if TYPE_CHECKING:  # it imports torch
    from voiceserver.nn.floor import FloorJudge


class Listener(Microphones):
    """Microphones whose speech is recognised."""

    floor: FloorJudge | None = None  # None: what a sound over ours is cannot be told

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
        judge = self.floor
        if judge is None:
            super().judge_floor(slot, request_id, begin, end)
            return
        samples = self.read(slot, begin, end)

        def work() -> Heard:
            states = self._recogniser.states(to_encode(samples))
            return FloorScore(slot, request_id, judge.takes_floor(states, len(samples)))

        self._words.submit(Job(slot, work, FloorScore(slot, request_id, None), firm=True))

    def end(self) -> None:
        self._words.end()
        super().end()
