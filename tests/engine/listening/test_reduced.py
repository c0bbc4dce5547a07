"""A slot's audio with less noise, addressed by the same samples as what was heard."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceserver.audio.ring import SampleRing
from voiceserver.engine.listening.reduced import ReducedAudio
from voiceserver.engine.messages import NoiseReduction

Floats = NDArray[np.float32]
RATE_HZ, SECONDS = 16_000, 4


@pytest.fixture(scope="module")
def hiss() -> Floats:
    return np.random.default_rng(0).normal(0, 0.02, SECONDS * RATE_HZ).astype(np.float32)


def pcm16(samples: Floats) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def windows(hiss: Floats, noise: NoiseReduction, piece: int) -> Floats:
    """All windows for voice activity, when audio comes in such pieces."""
    heard = SampleRing(10 * RATE_HZ)
    reduced, found = ReducedAudio(heard, 0, noise), list[Floats]()
    for at in range(0, len(hiss), piece):
        heard.write(pcm16(hiss[at : at + piece]))
        while reduced.has(512 * (len(found) + 1)):
            found.append(reduced.read(512 * len(found), 512 * (len(found) + 1)))
    return np.concatenate(found)


@pytest.mark.parametrize("noise", ["near_field", "far_field"])
def test_audio_in_pieces_is_as_in_one(hiss: Floats, noise: NoiseReduction) -> None:
    whole = windows(hiss, noise, len(hiss))
    assert len(whole) == len(hiss) // 512 * 512
    for piece in (320, 441, 4000):
        assert np.array_equal(windows(hiss, noise, piece), whole)


def test_far_from_the_microphone_more_is_taken_away(hiss: Floats) -> None:
    near, far = (windows(hiss, noise, 320)[2 * RATE_HZ :] for noise in ("near_field", "far_field"))
    assert 0.0 < np.std(far) < 0.7 * np.std(near) < 0.5 * 0.02


def test_it_may_begin_late_and_says_nothing_of_what_was_before(hiss: Floats) -> None:
    heard = SampleRing(10 * RATE_HZ)
    heard.write(pcm16(hiss[: 2 * RATE_HZ]))
    reduced = ReducedAudio(heard, RATE_HZ, "near_field")
    assert len(reduced.read(RATE_HZ - 512, RATE_HZ)) == 0
    assert len(reduced.read(RATE_HZ, RATE_HZ + 512)) == 512


def test_a_window_waits_for_the_rest_of_its_last_frame(hiss: Floats) -> None:
    heard = SampleRing(10 * RATE_HZ)
    reduced = ReducedAudio(heard, 0, "near_field")
    heard.write(pcm16(hiss[:512]))
    assert not reduced.has(512)
    heard.write(pcm16(hiss[512:640]))
    assert reduced.has(512)
    assert not reduced.has(1024)
