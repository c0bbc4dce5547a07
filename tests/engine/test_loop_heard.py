"""What leaves the loudspeaker, as the family is told."""

from __future__ import annotations

from loop_bench import Bench, audio_s

from voiceserver.engine.messages import Cancel, HeldBack, Released


def test_what_is_prepared_leaves_the_loudspeaker_once_it_is_released() -> None:
    bench = Bench()
    bench.open("a")
    bench.respond("a", "one two three four five six", prepared=True)
    made_s = audio_s(bench.run(1.0))
    assert made_s > 0.5, "prepared sound is made all the same"
    assert bench.family.heard_from_us == []
    bench.loop.put([Released("a", "a0")])
    bench.run(1.0)
    assert [round(begins, 6) for _, _, begins in bench.family.heard_from_us[:3]] == [0.0, 0.1, 0.2]
    assert sum(samples for _, samples, _ in bench.family.heard_from_us) == 600


def test_what_is_prepared_and_given_up_was_never_heard() -> None:
    bench = Bench()
    bench.open("a")
    bench.respond("a", "one two", prepared=True)
    bench.run(0.2)
    bench.loop.put([Cancel("a", 0), Released("a", "a0")])
    bench.respond("a", "three", epoch=1)
    bench.run(0.5)
    assert [samples for _, samples, _ in bench.family.heard_from_us] == [100]
    assert bench.family.hushed_slots == []


def test_the_family_learns_when_its_loudspeaker_is_kept_silent() -> None:
    bench = Bench()
    bench.open("a", "b")
    bench.respond("b", "one two three four five six")
    bench.run(0.1)
    bench.loop.put([HeldBack("b", 0.5), Cancel("b", 0)])
    bench.tick()
    assert bench.family.held_back_s == [(1, 0.5)]
    assert bench.family.hushed_slots == [1]
