"""The family under the real loop: sound comes at the speed it is heard with, never far ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from voiceserver.clock import FakeClock
from voiceserver.config import EngineConfig
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    ChatMessage,
    CloseSession,
    FromEngine,
    OpenSession,
    Recognise,
    Recognised,
    Respond,
    ResponseEnded,
    TextDelta,
    UserAudio,
)
from voiceserver.engine.mini_omni.model import MiniOmniFamily

from .table import speech

RUN_AHEAD_S = 0.4
FRAME_S = 2048 / 24_000
# With the codec in a thread: two frames in it, and the three that its delays give back at once when
# the exact stream takes over, or at the end.
IN_CODEC_S = 5 * FRAME_S
STEP_S = 0.02


class Call:
    """A loop with one session, on a clock of the test's own."""

    def __init__(self, family: MiniOmniFamily, bell: threading.Event) -> None:
        self.family, self.bell, self.clock = family, bell, FakeClock()
        self.loop = Loop(family, EngineConfig(slots=2, run_ahead_s=RUN_AHEAD_S), self.clock)
        self.loop.put([OpenSession("a")])
        self.sent: list[FromEngine] = self.loop.tick()

    def respond(self, epoch: int, max_tokens: int = 2) -> None:
        dialogue = (ChatMessage("user", "Hello!", "u"),)
        self.loop.put([Respond("a", epoch, f"r{epoch}", dialogue, True, max_tokens, 0.0)])

    def work(self) -> None:
        """Do everything that is due now."""
        for _ in range(1000):
            self.sent += self.loop.tick()
            if self.loop.idle_s() == 0.0:
                continue
            if not self.family.decoding:
                return
            assert self.bell.wait(60)
            self.bell.clear()
        raise AssertionError("the loop does not come to rest")

    def audio_s(self) -> float:
        pieces = [m for m in self.sent if isinstance(m, AudioDelta)]
        return sum(len(piece.pcm16) for piece in pieces) / 48_000

    @property
    def ended(self) -> ResponseEnded | None:
        return next((m for m in self.sent if isinstance(m, ResponseEnded)), None)


@pytest.fixture
def call(family_and_bell: tuple[MiniOmniFamily, threading.Event]) -> Iterator[Call]:
    call = Call(*family_and_bell)
    yield call
    call.loop.put([CloseSession("a")])
    call.loop.tick()


def test_sound_runs_ahead_by_no_more_than_it_may(call: Call) -> None:
    call.respond(0)
    call.work()
    assert call.audio_s() > 0, "the first sound is not waited for"
    heard_s = 0.0
    while call.ended is None:
        assert call.audio_s() <= heard_s + RUN_AHEAD_S + IN_CODEC_S
        assert call.audio_s() > heard_s, "the listener has run out of sound"
        call.clock.advance(STEP_S)
        heard_s += STEP_S
        call.work()
    assert call.audio_s() == pytest.approx(call.ended.audio_frames * FRAME_S)
    assert call.loop.idle_s() is None


def test_the_loop_sleeps_between_frames_while_a_transcript_rides_along(call: Call) -> None:
    call.loop.put([UserAudio("a", speech(1.0)), Recognise("a", 1, 0, 16_000, final=True)])
    call.respond(0, max_tokens=9)
    for _ in range(300):
        call.work()  # does not return while the loop finds something to do at once
        if any(isinstance(m, Recognised) for m in call.sent):
            return
        assert call.ended is None, "the reply should outlast the transcript"
        assert (call.loop.idle_s() or 0.0) > 0.0
        call.clock.advance(STEP_S)
    raise AssertionError("the transcript never came")


def test_nothing_comes_of_a_cancelled_reply_and_the_next_begins_at_once(call: Call) -> None:
    call.respond(0)
    call.work()
    call.loop.put([Cancel("a", 0)])
    call.respond(1)
    call.sent.clear()
    call.work()
    spoken = [m for m in call.sent if isinstance(m, AudioDelta | TextDelta)]
    assert {message.epoch for message in spoken} == {1}
    assert call.audio_s() > 0
