"""The loop around a family that speaks always: by the family's clock, from the opening on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from recorder import WordFamily

from voiceserver.clock import FakeClock
from voiceserver.config import EngineConfig
from voiceserver.engine.family import Made, Shape, Spoken, Work
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    CloseSession,
    EndReason,
    FromEngine,
    Instruct,
    OpenSession,
    Respond,
    ResponseEnded,
)

CHUNK_S = 0.2


class Murmur(WordFamily):
    """Speaks one chunk of a constant every CHUNK_S of the clock, in every open slot."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(slots=2)
        self.shape = Shape("murmur", 2, 1000, frame_samples=200, continuous=True)
        self.clock = clock
        self.told: list[tuple[int, str]] = []
        self.begun: dict[int, int] = {}  # slot -> chunks spoken

    def open(self, slot: int) -> None:
        super().open(slot)
        self.begun[slot] = 0

    def close(self, slot: int) -> None:
        super().close(slot)
        del self.begun[slot]

    def instruct(self, slot: int, text: str) -> None:
        self.told.append((slot, text))

    def talk(self, slots: Sequence[int]) -> list[Made]:
        self._may_fail("talk")
        for slot in slots:
            self.begun[slot] += 1
        return [Spoken(slot, np.full(200, 0.1, np.float32), ()) for slot in slots]

    def work(self) -> Work:
        now_s = self.clock.now_s()
        due_s = {slot: count * CHUNK_S for slot, count in self.begun.items()}
        waits = [due - now_s for due in due_s.values() if due > now_s]
        return Work(
            talking=[slot for slot, due in due_s.items() if due <= now_s],
            wake_in_s=min(waits, default=None),
        )


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.family = Murmur(self.clock)
        self.loop = Loop(self.family, EngineConfig(run_ahead_s=0.4), self.clock)
        self.sent: list[FromEngine] = []

    def run(self, seconds: float) -> list[FromEngine]:
        """Sleep exactly as long as the loop asks for, until the time is up."""
        begun, until_s = len(self.sent), self.clock.now_s() + seconds
        while self.clock.now_s() < until_s - 1e-9:
            self.sent += self.loop.tick()
            idle_s = self.loop.idle_s()
            left_s = until_s - self.clock.now_s()
            self.clock.advance(left_s if idle_s is None else min(idle_s, left_s))
        return self.sent[begun:]


def sounds(messages: list[FromEngine]) -> list[AudioDelta]:
    return [message for message in messages if isinstance(message, AudioDelta)]


def test_it_speaks_from_the_opening_on_by_the_familys_clock() -> None:
    bench = Bench()
    assert bench.loop.ready().continuous
    bench.loop.put([OpenSession("a")])
    sent = sounds(bench.run(2.0))
    assert len(sent) == 10
    assert {(m.session_id, m.epoch, m.response_id, len(m.pcm16)) for m in sent} == {
        ("a", 0, "", 400)
    }


def test_cancel_and_respond_do_not_stop_it() -> None:
    bench = Bench()
    bench.loop.put([OpenSession("a")])
    bench.run(1.0)
    bench.loop.put([Cancel("a", 5), Respond("a", 6, "r", (), True, 9, 0.0)])
    sent = bench.run(1.0)
    assert len(sounds(sent)) == 5
    (refused,) = [m for m in sent if isinstance(m, ResponseEnded)]
    assert (refused.response_id, refused.epoch) == ("r", 6)
    assert refused.reason is EndReason.FAILED
    assert "by itself" in refused.message


def test_a_failure_costs_a_moment_and_it_goes_on() -> None:
    bench = Bench()
    bench.loop.put([OpenSession("a")])
    bench.family.fail.add("talk")
    bench.sent += bench.loop.tick()
    assert [m.reason for m in bench.sent if isinstance(m, ResponseEnded)] == [EndReason.FAILED]
    bench.family.fail.clear()
    assert len(sounds(bench.run(1.0))) == 5


def test_it_ends_with_its_session() -> None:
    bench = Bench()
    bench.loop.put([OpenSession("a"), OpenSession("b")])
    bench.run(1.0)
    bench.loop.put([CloseSession("a")])
    assert {message.session_id for message in sounds(bench.run(1.0))} == {"b"}
    bench.loop.put([CloseSession("b")])
    bench.run(0.1)
    assert bench.loop.idle_s() is None


def test_instructions_reach_a_family_that_takes_them() -> None:
    bench = Bench()
    bench.loop.put([OpenSession("a"), Instruct("a", "be brief")])
    bench.loop.tick()
    assert bench.family.told == [(0, "be brief")]
    plain = Loop(WordFamily(), EngineConfig(), FakeClock())
    plain.put([OpenSession("a"), Instruct("a", "be brief")])
    assert len(plain.tick()) == 1


@pytest.mark.parametrize("step_s", [0.013, 0.05])
def test_a_loop_woken_too_often_speaks_no_faster(step_s: float) -> None:
    bench = Bench()
    bench.loop.put([OpenSession("a")])
    for _ in range(round(4.0 / step_s)):
        bench.sent += bench.loop.tick()
        bench.clock.advance(step_s)
    assert len(sounds(bench.sent)) == pytest.approx(20, abs=1)
