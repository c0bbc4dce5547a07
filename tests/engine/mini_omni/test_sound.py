"""The codec's thread: orders in order, results only for who still wants them, failures told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceserver.engine.family import Samples
from voiceserver.engine.mini_omni.sound import Sound, Sounded

PATIENCE_S = 30.0


class Delayed:
    """A voice that returns each frame's first code one frame late, and fails at code 13."""

    sample_rate_hz = 10

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.held: dict[int, list[float]] = {}
        self.over: set[int] = set()

    def start(self, slot: int, seed: int) -> None:
        self.held[slot] = []
        self.over.discard(slot)

    def stop(self, slot: int) -> None:
        self.held.pop(slot, None)

    def flushed(self, slot: int) -> bool:
        return slot in self.over and not self.held[slot]

    def decode(self, frames: Mapping[int, NDArray[np.int64] | None]) -> dict[int, Samples]:
        assert self.gate.wait(PATIENCE_S)
        if any(codes is not None and codes[0] == 13 for codes in frames.values()):
            raise RuntimeError("thirteen")
        return {slot: self._next(slot, codes) for slot, codes in frames.items()}

    def _next(self, slot: int, codes: NDArray[np.int64] | None) -> Samples:
        held, self.held[slot] = self.held[slot], []
        if codes is None:
            self.over.add(slot)
        else:
            self.held[slot] = [float(codes[0])]
        return np.array(held, np.float32)


class Bench:
    def __init__(self, threaded: bool) -> None:
        self.voice, self.rung = Delayed(), threading.Semaphore(0)
        self.sound = Sound(self.voice, self.rung.release, threaded=threaded)  # type: ignore[arg-type]
        self.got: list[Sounded] = []

    def frames(self, **codes: int) -> None:
        self.sound.decode({int(k[1:]): np.full(7, code) for k, code in codes.items()})

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.got += self.sound.collect()
            if not condition():
                assert self.rung.acquire(timeout=PATIENCE_S)

    def said(self, slot: int) -> list[float]:
        return [float(x) for s in self.got if s.slot == slot for x in s.samples]

    def last(self, slot: int) -> bool:
        return any(s.slot == slot and s.last for s in self.got)


@pytest.fixture(params=[True, False], ids=["thread", "inline"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(request.param)
    yield made
    made.sound.end()


def test_frames_come_back_in_order_and_whole(bench: Bench) -> None:
    for slot in (0, 1):
        bench.sound.start(slot, seed=1)
    for code in (1, 2, 3):
        bench.frames(s0=code, s1=10 * code)
    bench.sound.finish([0, 1])
    bench.until(lambda: bench.last(0) and bench.last(1))
    assert bench.said(0) == [1, 2, 3]
    assert bench.said(1) == [10, 20, 30]
    assert not bench.sound.ready()


def test_nothing_comes_of_a_stopped_utterance(bench: Bench) -> None:
    bench.sound.start(0, seed=1)
    bench.frames(s0=1)
    bench.frames(s0=2)
    bench.sound.stop(0)
    bench.sound.start(0, seed=2)
    bench.frames(s0=7)
    bench.sound.finish([0])
    bench.until(lambda: bench.last(0))
    assert bench.said(0) == [7]


def test_a_failure_is_told_to_those_of_the_order_and_others_go_on(bench: Bench) -> None:
    for slot in (0, 1):
        bench.sound.start(slot, seed=1)
    bench.frames(s0=13)
    bench.frames(s1=5)
    bench.sound.finish([1])
    bench.until(lambda: bench.last(1))
    errors = [s for s in bench.got if s.error is not None]
    assert [s.slot for s in errors] == [0]
    assert bench.said(1) == [5]


def test_the_model_need_not_wait_for_the_codec() -> None:
    bench = Bench(threaded=True)
    bench.voice.gate.clear()
    bench.sound.start(0, seed=1)
    bench.frames(s0=1)  # returns although the codec stands still
    assert bench.sound.collect() == []
    bench.voice.gate.set()
    bench.sound.finish([0])
    bench.until(lambda: bench.last(0))
    assert bench.said(0) == [1]
    bench.sound.end()
