from __future__ import annotations

import threading

from voiceserver.engine.listening.background import Background, Job


class Bench:
    """A background thread that is held until released, and rings when it has something."""

    def __init__(self) -> None:
        self.rung = threading.Semaphore(0)
        self.gate = threading.Event()
        self.began = threading.Event()
        self.background: Background[str] = Background("test", self.rung.release)
        self.submit("blocker", slot=9, firm=True, work=self._hold)
        assert self.began.wait(5)

    def _hold(self) -> str:
        self.began.set()
        self.gate.wait(5)
        return "blocker"

    def submit(self, name: str, slot: int, firm: bool, work: object = None) -> None:
        call = work if callable(work) else lambda: name
        self.background.submit(Job(slot, call, f"{name} failed", firm))

    def results(self, count: int) -> list[str]:
        self.gate.set()
        for _ in range(count):
            assert self.rung.acquire(timeout=5)
        self.background.end()
        return self.background.collect()


def test_final_work_goes_first_and_newer_looks_replace_older() -> None:
    bench = Bench()
    bench.submit("look one", slot=0, firm=False)
    bench.submit("look other", slot=1, firm=False)
    bench.submit("look two", slot=0, firm=False)
    bench.submit("final", slot=1, firm=True)
    assert bench.results(3) == ["blocker", "final", "look two"]


def test_final_work_is_never_replaced() -> None:
    bench = Bench()
    bench.submit("final one", slot=0, firm=True)
    bench.submit("final two", slot=0, firm=True)
    bench.submit("look", slot=0, firm=False)
    assert bench.results(4) == ["blocker", "final one", "final two", "look"]


def test_a_closed_slot_gets_nothing_not_even_what_was_under_way() -> None:
    bench = Bench()
    bench.submit("old", slot=0, firm=True)
    bench.background.forget(9)
    bench.background.forget(0)
    bench.submit("new", slot=0, firm=True)
    assert bench.results(2) == ["new"]


def test_an_exception_is_a_failed_result_and_the_thread_lives() -> None:
    def broken() -> str:
        raise ValueError("bad audio")

    bench = Bench()
    bench.submit("broken", slot=0, firm=True, work=broken)
    bench.submit("after", slot=0, firm=True)
    assert bench.results(3) == ["blocker", "broken failed", "after"]
