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
    return (0.1 * random * np.sin(2 * np.pi * t) ** 2).astype(np.float32)


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
            found.append(room.cleaned.voice(512 * len(found), 512 * (len(found) + 1)))
    return np.concatenate(found)


@pytest.mark.parametrize("noise", [None, "near_field", "far_field"])
def test_audio_in_pieces_is_cleaned_as_in_one(noise: NoiseReduction | None) -> None:
    whole = windows(Room(noise), SECONDS * RATE_HZ)
    for piece in (320, 441, 4000):
        assert np.array_equal(windows(Room(noise), piece), whole)


def test_our_echo_is_gone_from_both_what_is_read_and_what_is_watched() -> None:
    room = Room("near_field")
    watched = windows(room, 320)
    read = room.cleaned.words(2 * RATE_HZ, 3 * RATE_HZ)
    heard = room.heard.read(2 * RATE_HZ, 3 * RATE_HZ)
    assert len(read) == RATE_HZ
    assert np.std(read) < 0.05 * np.std(heard)
    assert np.std(watched[2 * RATE_HZ : 3 * RATE_HZ]) < 0.05 * np.std(heard)


def test_what_is_not_cleaned_is_read_as_it_was_heard() -> None:
    room = Room(begin=RATE_HZ)
    room.hear(0, 3 * RATE_HZ)
    heard = room.heard.read(0, 3 * RATE_HZ)
    read = room.cleaned.words(0, 3 * RATE_HZ)  # a second of it is cleaned at once
    assert len(read) == len(heard)
    assert np.array_equal(read[:RATE_HZ], heard[:RATE_HZ])
    assert np.array_equal(read[2 * RATE_HZ :], heard[2 * RATE_HZ :])
    assert not np.array_equal(read[RATE_HZ : 2 * RATE_HZ], heard[RATE_HZ : 2 * RATE_HZ])
    assert room.cleaned.words_end() == 3 * RATE_HZ


def test_words_are_read_through_noise() -> None:
    room = Room("far_field")
    quiet = CleanedAudio(room.heard, 0, echo=None, noise="far_field")
    room.hear(0, RATE_HZ)
    assert np.array_equal(quiet.words(100, 900), room.heard.read(100, 900))
    assert quiet.words_end() == RATE_HZ
    assert not np.array_equal(quiet.voice(8000, 8512), room.heard.read(8000, 8512))


def test_a_window_waits_for_the_rest_of_its_last_frame() -> None:
    room = Room()
    room.hear(0, 512)
    assert not room.cleaned.has(512)
    room.hear(512, 640)
    assert room.cleaned.has(512)
    assert not room.cleaned.has(1024)
