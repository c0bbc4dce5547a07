"""Who is seated, what is asked for, and what is answered."""

from __future__ import annotations

import pytest
from loop_bench import Bench, audio_s, kinds

from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    CloseSession,
    EndReason,
    FloorJudged,
    JudgeFloor,
    OpenSession,
    PredictTurnEnd,
    Recognise,
    Recognised,
    ReduceNoise,
    ResponseEnded,
    SessionOpened,
    SessionRefused,
    SpeechActivity,
    TextDelta,
    TurnEnd,
    UserAudio,
)


def test_sessions_are_seated_until_full_and_again_when_one_leaves() -> None:
    bench = Bench(slots=2)
    bench.open("a", "b", "c")
    assert kinds(bench.sent) == [SessionOpened, SessionOpened, SessionRefused]
    bench.loop.put([CloseSession("a"), OpenSession("c")])
    assert bench.tick() == [SessionOpened("c")]
    assert bench.family.closed == [0]


def test_a_session_opened_twice_is_refused_and_lives_on() -> None:
    bench = Bench()
    bench.open("a", "a")
    assert kinds(bench.sent) == [SessionOpened, SessionRefused]
    bench.respond("a", "hello", speak=False)
    assert kinds(bench.tick()) == [TextDelta, ResponseEnded]


def test_messages_for_sessions_that_are_gone_are_dropped() -> None:
    bench = Bench()
    bench.loop.put([UserAudio("x", b"\0\0"), Cancel("x", 9), CloseSession("x")])
    bench.respond("x", "hello")
    assert bench.tick() == []
    assert bench.loop.idle_s() is None


def test_listening_is_answered_with_the_session_it_came_from() -> None:
    bench = Bench()
    bench.open("a", "b")
    bench.loop.put(
        [
            UserAudio("b", b"\0" * 1024),
            Recognise("b", 7, 0, 512, final=True),
            PredictTurnEnd("b", 8, 0, 512),
            JudgeFloor("b", 9, 0, 512),
        ]
    )
    assert bench.tick() == [
        SpeechActivity("b", 512, 1.0, -20.0, 0.0),
        Recognised("b", 7, "0-512"),
        TurnEnd("b", 8, 0.75),
        FloorJudged("b", 9, 0.25),
    ]


def test_nothing_of_a_cancelled_reply_is_sent() -> None:
    bench = Bench()
    bench.open("a")
    bench.respond("a", "word " * 10, epoch=3)
    bench.tick(2)
    bench.loop.put([Cancel("a", 3)])
    assert bench.run(3.0) == []
    assert bench.loop.idle_s() is None


def test_a_cancel_of_an_older_epoch_leaves_the_new_reply_alone() -> None:
    bench = Bench()
    bench.open("a")
    bench.respond("a", "one two", epoch=4)
    bench.loop.put([Cancel("a", 3)])
    sent = bench.run(1.0)
    assert audio_s(sent) == pytest.approx(0.2)
    assert kinds(sent)[-1] is ResponseEnded


def test_a_new_reply_replaces_the_old_without_a_word() -> None:
    bench = Bench()
    bench.open("a")
    bench.respond("a", "old " * 10, epoch=0)
    bench.tick(2)
    bench.respond("a", "new", epoch=1)
    sent = bench.run(3.0)
    spoken = [m for m in sent if isinstance(m, TextDelta | AudioDelta | ResponseEnded)]
    assert {message.epoch for message in spoken} == {1}
    assert kinds(spoken) == [TextDelta, AudioDelta, ResponseEnded]


def test_closing_while_speaking_sends_nothing_more_and_frees_the_slot() -> None:
    bench = Bench(slots=1)
    bench.open("a")
    bench.respond("a", "word " * 10)
    bench.tick(2)
    bench.loop.put([CloseSession("a")])
    assert bench.run(2.0) == []
    bench.loop.put([OpenSession("b")])
    assert bench.tick() == [SessionOpened("b")]


@pytest.mark.parametrize("method", ["begin", "think", "talk"])
def test_a_failing_model_fails_the_reply_and_the_next_one_works(method: str) -> None:
    bench = Bench()
    bench.open("a")
    bench.family.fail.add(method)
    bench.respond("a", "one two")
    sent = bench.run(0.5)
    (ended,) = [message for message in sent if isinstance(message, ResponseEnded)]
    assert ended.reason is EndReason.FAILED
    assert f"{method} was told to fail" in ended.message
    bench.family.fail.clear()
    bench.respond("a", "three", epoch=1)
    assert audio_s(bench.run(0.5)) == pytest.approx(0.1)


def test_how_noise_is_to_be_reduced_is_told() -> None:
    bench = Bench()
    bench.open("a", "b")
    bench.loop.put([ReduceNoise("b", "far_field"), ReduceNoise("gone", "near_field")])
    bench.tick()
    assert bench.family.noise == [(1, "far_field")]
