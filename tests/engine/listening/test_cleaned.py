"""A slot's audio without our echo and noise, addressed by the same samples as what was heard."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceserver.audio.echo import EchoTracker
from voiceserver.audio.ring import SampleRing
from voiceserver.engine.cleaning import NoiseReduction
from voiceserver.engine.listening.cleaned import CleanedAudio

Floats = NDArray[np.float32]
RATE_HZ, SECONDS = 16_000, 4
DELAY_SAMPLES = 3200


def voice(seed: int) -> Floats:
    t = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    random = np.random.default_rng(seed).standard_normal(len(t))
    made: Floats = (0.1 * random * np.sin(2 * np.pi * t) ** 2).astype(np.float32)
    return made


def pcm16(samples: Floats) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


class Room:
    """A microphone that hears nothing but us."""

    def __init__(self, noise: NoiseReduction | None = None, begin: int = 0) -> None:
        own = voice(1)
        self.echo = EchoTracker(RATE_HZ)
        self.echo.played(own, 0, 0.0)
        self.heard = SampleRing(10 * RATE_HZ)
        self.sound = np.concatenate([np.zeros(DELAY_SAMPLES, np.float32), 0.2 * own])[: len(own)]
        self.cleaned = CleanedAudio(self.heard, begin, echo=self.echo, noise=noise)

    def hear(self, begin: int, end: int) -> None:
        self.heard.write(pcm16(self.sound[begin:end]))


def windows(room: Room, piece: int) -> Floats:
    """All windows for voice activity, when audio comes in such pieces."""
    found: list[Floats] = []
    for at in range(0, len(room.sound), piece):
        room.hear(at, min(at + piece, len(room.sound)))
        while room.cleaned.has(512 * (len(found) + 1)):
            found.append(room.cleaned.read(512 * len(found), 512 * (len(found) + 1)))
    return np.concatenate(found)


@pytest.mark.parametrize("noise", [None, "near_field", "far_field"])
def test_audio_in_pieces_is_cleaned_as_in_one(noise: NoiseReduction | None) -> None:
    whole = windows(Room(noise), SECONDS * RATE_HZ)
    for piece in (320, 441, 4000):
        assert np.array_equal(windows(Room(noise), piece), whole)


@pytest.mark.parametrize("noise", [None, "near_field"])
def test_our_echo_is_gone(noise: NoiseReduction | None) -> None:
    room = Room(noise)
    watched = windows(room, 320)[2 * RATE_HZ : 3 * RATE_HZ]
    assert np.std(watched) < 0.05 * np.std(room.heard.read(2 * RATE_HZ, 3 * RATE_HZ))


def test_noise_alone_is_reduced_without_a_canceller() -> None:
    hiss = SampleRing(10 * RATE_HZ)
    hiss.write(pcm16(np.random.default_rng(0).normal(0, 0.02, 3 * RATE_HZ).astype(np.float32)))
    quiet = CleanedAudio(hiss, 0, echo=None, noise="near_field")
    assert not quiet.removes_echo
    assert 0.0 < np.std(quiet.read(2 * RATE_HZ, 3 * RATE_HZ)) < 0.5 * 0.02


def test_cleaning_may_begin_late_and_says_nothing_of_what_was_before() -> None:
    room = Room(begin=RATE_HZ)
    room.hear(0, 2 * RATE_HZ)
    assert len(room.cleaned.read(RATE_HZ - 512, RATE_HZ)) == 0
    assert len(room.cleaned.read(RATE_HZ, RATE_HZ + 512)) == 512


def test_a_window_waits_for_the_rest_of_its_last_frame() -> None:
    room = Room()
    room.hear(0, 512)
    assert not room.cleaned.has(512)
    room.hear(512, 640)
    assert room.cleaned.has(512)
    assert not room.cleaned.has(1024)
