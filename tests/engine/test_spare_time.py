"""What replies will have to read is read while nobody waits for anything."""

from __future__ import annotations

import pytest
from recorder import WordFamily

from voiceserver.clock import FakeClock
from voiceserver.config import EngineConfig
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import ChatMessage, OpenSession, ReadAhead, Respond

HELLO = (ChatMessage("user", "one two three four five six"),)


class Bench:
    def __init__(self, to_read: int) -> None:
        self.family, self.clock = WordFamily(2), FakeClock()
        self.family.to_read = to_read
        self.loop = Loop(self.family, EngineConfig(run_ahead_s=0.4), self.clock)
        self.loop.put([OpenSession("a")])

    def respond(self) -> None:
        self.loop.put([Respond("a", 0, "r", HELLO, speak=True, max_tokens=9, temperature=0.0)])


def test_a_session_tells_what_it_will_ask() -> None:
    bench = Bench(0)
    bench.loop.put([ReadAhead("a", HELLO)])
    bench.loop.tick()
    assert bench.family.ahead == [(0, HELLO)]


def test_an_idle_engine_reads_a_piece_a_tick_and_then_sleeps() -> None:
    bench = Bench(3)
    left = []
    while bench.loop.idle_s() == 0.0:
        bench.loop.tick()
        left.append(bench.family.to_read)
    assert left == [2, 1, 0]


def test_nothing_is_read_while_a_reply_wants_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(100)
    wanted: list[bool] = []
    warm = bench.family.warm

    def watched() -> None:
        work = bench.family.work()
        wanted.append(work.thinking or bench.loop._next_step_in_s(work) == 0.0)
        warm()

    monkeypatch.setattr(bench.family, "warm", watched)
    bench.respond()
    for _ in range(50):
        bench.loop.tick()
        bench.clock.advance(0.01)
    assert wanted, "there were pauses between the frames"
    assert not any(wanted)
    assert len(bench.family.talked) == 6


def test_what_cannot_be_read_ahead_costs_nobody_their_reply() -> None:
    bench = Bench(2)
    bench.family.fail.add("warm")
    bench.loop.tick()
    bench.respond()
    for _ in range(60):
        bench.loop.tick()
        bench.clock.advance(0.02)
    assert len(bench.family.talked) == 6
