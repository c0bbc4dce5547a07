"""Delays found by phase, and chance that finds none."""

from __future__ import annotations

import numpy as np
import pytest

from voiceserver.audio.phase_delay import NOWHERE, phase_delay

RECORDED, MOST_DELAY = 6144, 17_920


@pytest.fixture
def reference() -> np.ndarray:
    """Something with the colour of speech: [RECORDED + MOST_DELAY]"""
    noise = np.random.default_rng(3).standard_normal(RECORDED + MOST_DELAY + 8)
    return np.convolve(noise, [1, 2, 3, 4, 4, 3, 2, 1, 0.5], "valid").astype(np.float32)


@pytest.mark.parametrize("delay", [0, 101, 5000, MOST_DELAY])
def test_a_delay_is_found_in_noise(reference: np.ndarray, delay: int) -> None:
    begin = MOST_DELAY - delay
    recording = 0.1 * reference[begin : begin + RECORDED]
    noise = np.random.default_rng(4).standard_normal(RECORDED)
    found = phase_delay((recording + 0.5 * noise).astype(np.float32), reference)
    assert abs(found.samples - delay) <= 2
    assert found.sharpness > 12


def test_what_is_not_in_it_is_found_nowhere(reference: np.ndarray) -> None:
    random = np.random.default_rng(5)
    other = [random.standard_normal(RECORDED).astype(np.float32) for _ in range(20)]
    assert max(phase_delay(sound, reference).sharpness for sound in other) < 7


def test_silence_is_nowhere(reference: np.ndarray) -> None:
    assert phase_delay(reference[:RECORDED], np.zeros_like(reference)) == NOWHERE
    assert phase_delay(np.zeros(RECORDED, np.float32), reference).sharpness == 0.0
