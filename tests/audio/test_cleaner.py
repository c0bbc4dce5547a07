"""WebRTC's processing as we use it: streamed, in frames, and it does what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceserver.audio.cleaner import FRAME_SAMPLES, EchoRemover, NoiseReducer

Floats = NDArray[np.float32]
SECONDS, RATE_HZ = 5, 16_000


def noise(seed: int) -> Floats:
    """Noise that comes and goes three times a second, as speech does."""
    t = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    random = np.random.default_rng(seed).standard_normal(len(t))
    return (0.1 * random * np.sin(3 * np.pi * t) ** 2).astype(np.float32)


def level(samples: Floats) -> float:
    """Root mean square of the last two seconds."""
    return float(np.sqrt(np.mean(np.square(samples[-2 * RATE_HZ :]))))


@pytest.mark.parametrize("frames", [1, 3, 7])
def test_in_pieces_is_as_in_one(frames: int) -> None:
    heard, played = noise(0), noise(1)
    remover, reducer = EchoRemover(), NoiseReducer(2)
    size = frames * FRAME_SAMPLES
    pieces = [
        reducer.clean(remover.clean(heard[at : at + size], played[at : at + size]))
        for at in range(0, len(heard), size)
    ]
    whole = NoiseReducer(2).clean(EchoRemover().clean(heard, played))
    assert np.array_equal(np.concatenate(pieces), whole)


def test_a_part_of_a_frame_is_refused() -> None:
    with pytest.raises(AssertionError, match="whole frames"):
        NoiseReducer(1).clean(np.zeros(FRAME_SAMPLES + 1, np.float32))


def test_our_own_voice_is_taken_out() -> None:
    played = noise(2)
    echo = np.concatenate([np.zeros(2400, np.float32), 0.3 * played])[: len(played)]
    assert level(EchoRemover().clean(echo, played)) < 0.25 * level(echo)


def test_steady_noise_is_lowered_and_more_so_at_a_higher_level() -> None:
    steady = np.random.default_rng(3).normal(0, 0.02, SECONDS * RATE_HZ).astype(np.float32)
    mild, strong = (level(NoiseReducer(n).clean(steady)) for n in (0, 2))
    assert mild < 0.7 * level(steady)
    assert strong < 0.5 * mild
