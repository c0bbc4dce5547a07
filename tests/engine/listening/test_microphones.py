"""Our own voice in a microphone: taken out once it has surely been heard, else left alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from voiceserver.assets import resolve
from voiceserver.bench.voices import RATE_HZ, VOICES, speak
from voiceserver.engine.cleaning import Cleaning
from voiceserver.engine.family import Window
from voiceserver.engine.listening.microphones import Microphones

Floats = NDArray[np.float32]
LISTEN_HZ, PACKET, FRAME = 16_000, 320, 1600
DELAY_SAMPLES = 3000


def said(text: str, voice: int) -> Floats:
    return soxr.resample(speak(text, VOICES[voice]), RATE_HZ, LISTEN_HZ).astype(np.float32)


@pytest.fixture(scope="module")
def reply() -> Floats:
    first = said("I live in Berlin, where I have a small garden with tomatoes and roses.", 1)
    return np.concatenate([first, np.zeros(3000, np.float32), first])


@pytest.fixture(scope="module")
def echo(reply: Floats) -> Floats:
    """What comes back of it, a little noise included."""
    late = np.concatenate([np.zeros(DELAY_SAMPLES, np.float32), 0.15 * reply])[: len(reply)]
    return late + np.random.default_rng(0).normal(0, 3e-4, len(reply)).astype(np.float32)


@pytest.fixture(scope="module")
def microphones() -> Iterator[Microphones]:
    files = resolve("nano", quiet=True)
    made = Microphones(files["vad"], files["turn_end"], 1, lambda: None)
    yield made
    made.end()


@pytest.fixture
def open_slot(microphones: Microphones) -> Iterator[Microphones]:
    microphones.open(0, LISTEN_HZ)
    yield microphones
    microphones.close(0)


def listen(microphones: Microphones, heard: Floats, reply: Floats) -> list[Window]:
    """While we say the reply, which is told ahead as the engine makes it."""
    pcm16 = (np.clip(heard, -1, 1) * 32767).astype("<i2")
    windows: list[Window] = []
    told = 0
    for at in range(0, len(heard), PACKET):
        while told < min(at + 2 * FRAME, len(reply)):
            microphones.played(0, reply[told : told + FRAME], (told - at) / LISTEN_HZ)
            told += FRAME
        microphones.hear(0, pcm16[at : at + PACKET].tobytes())
        windows += [w for w in microphones.listen() if isinstance(w, Window)]
    return windows


def voiced(windows: list[Window], begin_s: float) -> float:
    later = [w for w in windows if w.end_sample > begin_s * LISTEN_HZ]
    return sum(w.probability > 0.5 for w in later) / len(later)


def test_our_own_voice_is_heard_for_a_moment_only(
    open_slot: Microphones, echo: Floats, reply: Floats
) -> None:
    open_slot.clean(0, Cleaning(echo=True))
    windows = listen(open_slot, echo, reply)
    assert len(windows) == len(echo) // 512 - (len(echo) % 512 < 160)
    early = [w for w in windows if w.end_sample < 1.2 * LISTEN_HZ]
    assert sum(w.probability > 0.5 for w in early) > 10
    assert voiced(windows, 3.0) == 0.0


def test_a_session_that_wants_no_canceller_gets_none(
    open_slot: Microphones, echo: Floats, reply: Floats
) -> None:
    open_slot.clean(0, Cleaning(echo=False))
    assert voiced(listen(open_slot, echo, reply), 3.0) > 0.5


def test_words_are_read_as_they_were_heard(
    open_slot: Microphones, echo: Floats, reply: Floats
) -> None:
    open_slot.clean(0, Cleaning(noise="far_field", echo=True))
    windows = listen(open_slot, echo, reply)
    heard = (echo * 32767).astype("<i2").astype(np.float32) / 32768
    assert np.array_equal(open_slot.read(0, 0, len(echo)), heard)
    level = 20 * np.log10(np.sqrt(np.mean(np.square(heard[512 * 150 : 512 * 151]))))
    assert windows[150].level_dbfs == pytest.approx(level, abs=0.01)


def test_a_user_with_headphones_is_heard_as_they_are(open_slot: Microphones, reply: Floats) -> None:
    user = said("Wait a moment, I have another question.", 0)
    heard = np.random.default_rng(0).normal(0, 3e-4, len(reply)).astype(np.float32)
    heard[24_000 : 24_000 + len(user)] += user
    found = []
    for echo in (False, True):
        open_slot.close(0)
        open_slot.open(0, LISTEN_HZ)
        open_slot.clean(0, Cleaning(echo=echo))
        found.append([w.probability for w in listen(open_slot, heard, reply)])
    assert found[0] == found[1]
    assert max(found[0]) > 0.9


def test_noise_reduction_can_be_switched_in_a_call(open_slot: Microphones, reply: Floats) -> None:
    speech = said("Wait a moment, I have another question.", 0)
    plain = [w.probability for w in listen(open_slot, speech, reply[:0])]
    open_slot.clean(0, Cleaning(noise="near_field"))
    reduced = [w.probability for w in listen(open_slot, speech, reply[:0])]
    open_slot.clean(0, Cleaning(noise=None))
    again = [w.probability for w in listen(open_slot, speech, reply[:0])]
    assert np.mean(np.abs(np.array(plain[5:]) - again[5 : len(plain)])) < 0.05
    assert reduced[5:] != again[5 : len(reduced)]
    for probabilities in (plain, reduced, again):
        assert max(probabilities) > 0.9
