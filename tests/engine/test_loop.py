from __future__ import annotations

import numpy as np
import pytest
from recorder import WordFamily

from voiceserver.clock import FakeClock
from voiceserver.config import EngineConfig
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    ChatMessage,
    CloseSession,
    EndReason,
    FloorJudged,
    FromEngine,
    HeldBack,
    JudgeFloor,
    OpenSession,
    PredictTurnEnd,
    Recognise,
    Recognised,
    ReduceNoise,
    Released,
    Respond,
    ResponseEnded,
    SessionOpened,
    SessionRefused,
    SpeechActivity,
    TextDelta,
    TurnEnd,
    UserAudio,
)
from voiceserver.engine.report import pcm16

FRAME_S = 0.1


class Bench:
    """A loop over the recorder family, and everything it has sent."""

    def __init__(self, slots: int = 4, *, gathers: bool = False) -> None:
        self.family = WordFamily(slots, gathers=gathers)
        self.clock = FakeClock()
        self.loop = Loop(self.family, EngineConfig(run_ahead_s=0.4), self.clock)
        self.sent: list[FromEngine] = []

    def open(self, *session_ids: str) -> None:
        self.loop.put(OpenSession(session_id) for session_id in session_ids)
        self.tick()

    def respond(
        self,
        session_id: str,
        text: str,
        epoch: int = 0,
        speak: bool = True,
        prepared: bool = False,
    ) -> None:
        dialogue = (ChatMessage("user", text),)
        name = f"{session_id}{epoch}"
        respond = Respond(session_id, epoch, name, dialogue, speak, 99, 0.0, prepared=prepared)
        self.loop.put([respond])

    def tick(self, times: int = 1) -> list[FromEngine]:
        new = [message for _ in range(times) for message in self.loop.tick()]
        self.sent += new
        return new

    def run(self, seconds: float, step_s: float = 0.01) -> list[FromEngine]:
        """Let time pass, ticking all along."""
        new: list[FromEngine] = []
        for _ in range(round(seconds / step_s)):
            new += self.tick()
            self.clock.advance(step_s)
        return new


def audio_s(messages: list[FromEngine], session_id: str = "a") -> float:
    pieces = [m for m in messages if isinstance(m, AudioDelta) and m.session_id == session_id]
    return sum(len(piece.pcm16) // 2 for piece in pieces) / 1000


def kinds(messages: list[FromEngine]) -> list[type]:
    return [type(message) for message in messages]


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


def test_samples_out_of_range_become_valid_sound() -> None:
    samples = np.array([0.0, 2.0, -2.0, np.nan, np.inf], np.float32)
    assert np.frombuffer(pcm16(samples), "<i2").tolist() == [0, 32767, -32767, 0, 32767]


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


def test_how_noise_is_to_be_reduced_is_told() -> None:
    bench = Bench()
    bench.open("a", "b")
    bench.loop.put([ReduceNoise("b", "far_field"), ReduceNoise("gone", "near_field")])
    bench.tick()
    assert bench.family.noise == [(1, "far_field")]
