"""WebRTC's noise suppression as we use it: streamed, in frames, and it does what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceserver.audio.noise_reducer import FRAME_SAMPLES, NoiseReducer

Floats = NDArray[np.float32]
RATE_HZ = 16_000


@pytest.fixture
def hiss() -> Floats:
    return np.random.default_rng(3).normal(0, 0.02, 4 * RATE_HZ).astype(np.float32)


def level(samples: Floats) -> float:
    """Root mean square of the last two seconds."""
    return float(np.sqrt(np.mean(np.square(samples[-2 * RATE_HZ :]))))


@pytest.mark.parametrize("frames", [1, 3, 7])
def test_in_pieces_is_as_in_one(hiss: Floats, frames: int) -> None:
    reducer, size = NoiseReducer(2), frames * FRAME_SAMPLES
    heard = hiss[: len(hiss) // size * size]
    pieces = [reducer.reduce(heard[at : at + size]) for at in range(0, len(heard), size)]
    assert np.array_equal(np.concatenate(pieces), NoiseReducer(2).reduce(heard))


def test_a_part_of_a_frame_is_refused() -> None:
    with pytest.raises(AssertionError, match="whole frames"):
        NoiseReducer(1).reduce(np.zeros(FRAME_SAMPLES + 1, np.float32))


def test_steady_noise_is_lowered_and_more_so_at_a_higher_level(hiss: Floats) -> None:
    mild, strong = (level(NoiseReducer(n).reduce(hiss)) for n in (0, 2))
    assert mild < 0.7 * level(hiss)
    assert strong < 0.5 * mild
