"""Simulated calls: our voice comes back as the scene says, and the server does what it does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import soxr

from voiceserver.assets import resolve
from voiceserver.bench.echo import Scene
from voiceserver.bench.simulated_call import PACKET_SAMPLES, Heard, Speech, call
from voiceserver.engine.family import Samples
from voiceserver.engine.nano.listener import Listener
from voiceserver.scenes.channels import EchoPath
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

LISTEN_HZ = 16_000
REPLY = "I live in Berlin, where I have a small garden with tomatoes and roses."
QUESTION = "Wait a moment, I have another question."


def at_16k(text: str, voice: int) -> Samples:
    return np.asarray(soxr.resample(speak(text, VOICES[voice]), RATE_HZ, LISTEN_HZ), np.float32)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    files = resolve("nano", quiet=True)
    made = Listener(files["vad"], files["turn_end"], files["listener"], 1, lambda: None)
    yield made
    made.end()


@pytest.fixture(scope="module")
def reply() -> Speech:
    return Speech(REPLY, speak(REPLY, VOICES[1]), RATE_HZ, RATE_HZ // 10)


def scene(reply: Speech, echo: EchoPath | None, user_at_s: float | None) -> Scene:
    seconds = len(reply.samples) / reply.rate_hz + 1.5
    tone = np.random.default_rng(0).normal(0, 3e-4, round(seconds * LISTEN_HZ)).astype(np.float32)
    user = None if user_at_s is None else at_16k(QUESTION, 0)
    return Scene(reply, echo, tone, user, QUESTION, user_at_s or 0.0)


def run(listener: Listener, given: Scene) -> Heard:
    seconds = len(given.tone) / LISTEN_HZ
    return call(listener, given.speech, given.hear, seconds)


def test_a_reply_is_played_whole_and_nothing_interrupts_it(
    listener: Listener, reply: Speech
) -> None:
    heard = run(listener, scene(reply, None, None))
    assert heard.turns_s == []
    said = soxr.resample(reply.samples, RATE_HZ, LISTEN_HZ)
    assert np.square(heard.own).sum() == pytest.approx(np.square(said).sum(), rel=0.02)
    begin = int(np.flatnonzero(heard.own)[0])
    assert 0.1 < begin / LISTEN_HZ < 0.4  # the jitter buffer


def test_a_user_stops_it(listener: Listener, reply: Speech) -> None:
    heard = run(listener, scene(reply, None, 1.5))
    assert len(heard.turns_s) == 1
    assert 1.5 < heard.turns_s[0] < 2.2
    stopped = round((heard.turns_s[0] + 0.05) * LISTEN_HZ)
    assert not heard.own[stopped : stopped + LISTEN_HZ // 2].any()


def test_an_echo_that_outlasts_the_reply_makes_no_turn(listener: Listener, reply: Speech) -> None:
    loud = EchoPath(0.4, np.full(1, 0.4, np.float32))
    assert run(listener, scene(reply, loud, None)).turns_s == []


def test_the_microphone_hears_the_past_of_the_loudspeaker(reply: Speech) -> None:
    given = scene(reply, EchoPath(0.05, np.array([0.0, 0.5, 0.25], np.float32)), None)
    own = np.random.default_rng(1).standard_normal(5 * PACKET_SAMPLES).astype(np.float32)
    heard = given.hear(own, PACKET_SAMPLES) - given.tone[4 * PACKET_SAMPLES : len(own)]
    at = np.arange(4 * PACKET_SAMPLES, len(own)) - 800
    assert np.allclose(heard, 0.5 * own[at - 1] + 0.25 * own[at - 2], atol=1e-5)
