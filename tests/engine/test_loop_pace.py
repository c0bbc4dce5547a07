"""Speech is made in time for all, and never far ahead."""

from __future__ import annotations

import numpy as np
import pytest
from loop_bench import Bench, audio_s, kinds

from voiceserver.audio.pcm16 import to_pcm16
from voiceserver.engine.messages import ResponseEnded, TextDelta

FRAME_S = 0.1


def test_a_written_reply_has_text_and_an_end_but_no_sound() -> None:
    bench = Bench()
    bench.open("a")
    bench.respond("a", "one two three", speak=False)
    sent = bench.run(1.0)
    assert [m.text for m in sent if isinstance(m, TextDelta)] == ["one", "two", "three"]
    assert kinds(sent)[-1] is ResponseEnded
    assert audio_s(sent) == 0.0


def test_sound_is_never_more_than_the_run_ahead_in_front_of_the_clock() -> None:
    bench = Bench()
    bench.open("a")
    bench.respond("a", "word " * 30)
    begun_s = bench.clock.now_s()
    for _ in range(400):
        bench.tick()
        heard_s = bench.clock.now_s() - begun_s
        assert audio_s(bench.sent) - heard_s <= 0.4 + 1e-6
        bench.clock.advance(0.01)
    assert audio_s(bench.sent) == pytest.approx(3.0)
    assert kinds(bench.sent)[-1] is ResponseEnded


def test_the_loop_sleeps_until_the_next_frame_is_due() -> None:
    bench = Bench()
    bench.open("a")
    assert bench.loop.idle_s() is None
    bench.respond("a", "word " * 10)
    assert bench.loop.idle_s() == 0.0
    bench.tick(20)
    assert bench.loop.idle_s() == pytest.approx(FRAME_S)  # four of 0.1 s are ahead
    bench.clock.advance(0.04)
    assert bench.loop.idle_s() == pytest.approx(FRAME_S - 0.04)


def test_first_sound_goes_before_everybody_elses_comfort() -> None:
    bench = Bench()
    bench.open("a", "b")
    bench.respond("a", "word " * 10)
    bench.tick(3)  # two frames ahead, and room for two more
    bench.respond("b", "hello there")
    bench.family.talked.clear()
    bench.tick(2)
    assert bench.family.talked[0] == [1]


def test_two_speaking_sessions_share_one_step() -> None:
    bench = Bench()
    bench.open("a", "b")
    bench.respond("a", "one two three")
    bench.respond("b", "four five six")
    bench.tick()
    assert bench.family.talked == [[0, 1]]


@pytest.mark.parametrize("apart_s", [0.03, 0.05, 0.09])
def test_sessions_out_of_step_are_gathered_where_that_saves_work(apart_s: float) -> None:
    bench = Bench(gathers=True)
    names = ("a", "b", "c")
    bench.open(*names)
    for index, name in enumerate(names):
        bench.respond(name, "word " * 60)
        bench.run(apart_s if index < 2 else 1.0)
    bench.family.talked.clear()
    for _ in range(200):
        bench.tick()
        heard_s = bench.clock.now_s()
        assert all(audio_s(bench.sent, name) <= heard_s + 0.4 for name in names)
        bench.clock.advance(0.01)
    assert bench.family.talked.count([0, 1, 2]) >= 18  # of twenty frames each
    assert len(bench.family.talked) <= 22
    silent = [n for n in names if audio_s(bench.sent, n) < heard_s - 2 * apart_s]
    assert not silent


def test_samples_out_of_range_become_valid_sound() -> None:
    samples = np.array([0.0, 2.0, -2.0, np.nan, np.inf], np.float32)
    assert np.frombuffer(to_pcm16(samples), "<i2").tolist() == [0, 32767, -32767, 0, 32767]


def test_an_hour_of_speech_is_made_as_fast_as_it_is_heard() -> None:
    """Sleeping as the loop says, with ticks that take a while: the pace comes from the clock."""
    bench = Bench(slots=1)
    bench.open("a")
    bench.respond("a", "w " * 40_000)
    begun_s, told, made_s = bench.clock.now_s(), 0, 0.0
    while bench.clock.now_s() - begun_s < 3600.0:
        made_s += audio_s(bench.loop.tick())
        bench.clock.advance(max(bench.loop.idle_s() or 0.0, 0.0003 * (told % 7)))
        told += 1
    heard_s = bench.clock.now_s() - begun_s
    assert heard_s + 0.2 <= made_s <= heard_s + 0.4 + 1e-6
