"""Hears every slot: the common microphones, words by Whisper in a thread of its own, and judges in
another, so that in a pause both go on at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voiceserver.engine.family import FloorScore, Heard, Samples, Transcript, TurnScore
from voiceserver.engine.listening.background import Background, Job
from voiceserver.engine.listening.microphones import UNKNOWN, Microphones
from voiceserver.engine.nano.recogniser import Recogniser

if TYPE_CHECKING:  # it imports torch
    from voiceserver.nn.judges import SoundJudge


@dataclass(frozen=True)
class _Draft:
    """What was read of a slot's audio from a sample on."""

    begin: int
    tokens: tuple[int, ...]


class Listener(Microphones):
    """Microphones whose speech is recognised."""

    floor: SoundJudge | None = None  # None: what a sound over ours is cannot be told
    turn_end: SoundJudge | None = None  # None: as microphones predict it

    def __init__(
        self, vad: Path, turn_end: Path, recogniser: Path, slots: int, wake: Callable[[], None]
    ) -> None:
        super().__init__(vad, turn_end, slots, wake)
        self._recogniser = Recogniser(recogniser)
        self._words: Background[Heard] = Background("recogniser", wake)
        self._judgements: Background[Heard] = Background("judges", wake)
        self._drafts: dict[int, _Draft] = {}  # by slot: what was read last

    def close(self, slot: int) -> None:
        super().close(slot)
        self._words.forget(slot)
        self._drafts.pop(slot, None)  # one made meanwhile costs the next session a little time
        self._judgements.forget(slot)

    def listen(self) -> list[Heard]:
        return super().listen() + self._words.collect() + self._judgements.collect()

    def recognise(self, slot: int, request_id: int, begin: int, end: int, *, final: bool) -> None:
        if not final and self._words.crowded:
            return  # looks are for those who have time
        samples = self.read(slot, begin, end)

        def work() -> Heard:
            last = self._drafts.get(slot)
            draft = last.tokens if last is not None and last.begin == begin else ()
            read = self._recogniser.read(samples, draft)
            self._drafts[slot] = _Draft(begin, read.tokens)
            return Transcript(slot, request_id, read.text)

        failed = Transcript(slot, request_id, "", failed=True)
        self._words.submit(Job(slot, work, failed, firm=final))

    def judge_floor(self, slot: int, request_id: int, begin: int, end: int) -> None:
        if self.floor is None:
            super().judge_floor(slot, request_id, begin, end)
            return

        def told(probability: float | None) -> Heard:
            return FloorScore(slot, request_id, probability)

        self._judge(self.floor, slot, self.read(slot, begin, end), told, told(None))

    def predict_turn_end(self, slot: int, request_id: int, begin: int, end: int) -> None:
        if self.turn_end is None:
            super().predict_turn_end(slot, request_id, begin, end)
            return

        def told(probability: float) -> Heard:
            return TurnScore(slot, request_id, probability)

        self._judge(self.turn_end, slot, self.read(slot, begin, end), told, told(UNKNOWN))

    def _judge(
        self,
        judge: SoundJudge,
        slot: int,
        samples: Samples,
        told: Callable[[float], Heard],
        failed: Heard,
    ) -> None:
        """Have a judge hear samples, in the judges' thread."""
        to_encode = judge.question.pooling.to_encode(samples)

        def work() -> Heard:
            return told(judge.probability(self._recogniser.states(to_encode), len(samples)))

        self._judgements.submit(Job(slot, work, failed, firm=True))

    def end(self) -> None:
        self._words.end()
        self._judgements.end()
        super().end()
