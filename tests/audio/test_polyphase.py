"""The rate conversion of ears and telephones: chunked equals whole, its band is kept, no delay."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.audio.polyphase import CROSSINGS, PolyphaseResampler

TO_TELEPHONES = [(8000, 16000), (22050, 8000), (24000, 8000), (16000, 8000)]
TO_EARS = [(24000, 16000), (48000, 16000)]
RATES = [*TO_TELEPHONES, *TO_EARS, (8000, 8000)]


def whole(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    resampler = PolyphaseResampler(from_hz, to_hz)
    return np.concatenate([resampler.process(samples), resampler.flush()])


def sine(pitch_hz: float, rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    return (20000 * np.sin(2 * np.pi * pitch_hz * t)).astype(np.int16)


@given(st.sampled_from(RATES), st.lists(st.integers(0, 700), min_size=1, max_size=8))
def test_chunked_equals_whole(rates: tuple[int, int], sizes: list[int]) -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, sum(sizes)).astype(np.int16)
    resampler = PolyphaseResampler(*rates)
    cuts = np.split(samples, np.cumsum(sizes)[:-1])
    pieces = [resampler.process(piece) for piece in cuts]
    chunked = np.concatenate([*pieces, resampler.flush()])
    assert np.array_equal(chunked, whole(samples, *rates))
    assert len(chunked) == -(-len(samples) * rates[1] // rates[0])
    again = np.concatenate([resampler.process(samples), resampler.flush()])
    assert np.array_equal(again, chunked)


def error_db(pitch_hz: float, from_hz: int, to_hz: int) -> float:
    """How far a tone is from what an exact resampler makes of it, against the tone."""
    samples = sine(pitch_hz, from_hz)
    exact = soxr.resample(samples.astype(np.float32), from_hz, to_hz, "VHQ")
    ours = whole(samples, from_hz, to_hz)[: len(exact)].astype(np.float32)
    middle = slice(400, -400)  # not where the tone begins and ends
    error = np.sqrt(np.mean((ours[middle] - exact[middle]) ** 2))
    return float(20 * np.log10(error * np.sqrt(2) / 20000))


@pytest.mark.parametrize(("from_hz", "to_hz"), TO_TELEPHONES)
def test_the_telephone_band_is_as_an_exact_resampler_has_it(from_hz: int, to_hz: int) -> None:
    assert max(error_db(pitch_hz, from_hz, to_hz) for pitch_hz in (200, 1000, 3000, 3400)) < -40


@pytest.mark.parametrize(("from_hz", "to_hz"), TO_EARS)
def test_what_speech_has_is_heard_up_to_its_hisses(from_hz: int, to_hz: int) -> None:
    """At 6 kHz soxr's low quality, which was here before, is 30 dB from it."""
    assert max(error_db(pitch_hz, from_hz, to_hz) for pitch_hz in (200, 1000, 5000, 6000)) < -65
    assert error_db(6800, from_hz, to_hz) < -45


@pytest.mark.parametrize("from_hz", [24000, 48000])
def test_what_ears_do_not_hear_does_not_fold_back(from_hz: int) -> None:
    for pitch_hz in (8200, 9000, 11500, 18000, 23000):
        if pitch_hz < from_hz / 2:
            left = whole(sine(pitch_hz, from_hz), from_hz, 16000)[200:-200]
            assert np.abs(left.astype(int)).max() < 20000 * 10 ** (-65 / 20)


@pytest.mark.parametrize("pitch_hz", [4600, 6000, 10000])
def test_what_a_telephone_cannot_carry_does_not_fold_back(pitch_hz: int) -> None:
    left = whole(sine(pitch_hz, 22050), 22050, 8000)[200:-200]
    assert np.abs(left.astype(int)).max() < 20000 * 10 ** (-55 / 20)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_little_is_held_back(from_hz: int, to_hz: int) -> None:
    resampler = PolyphaseResampler(from_hz, to_hz)
    out = 0
    for i in range(1, 30):
        out += len(resampler.process(np.zeros(from_hz // 50, np.int16)))
        assert i / 50 - out / to_hz <= (CROSSINGS + 1) / min(from_hz, to_hz) + 1 / to_hz


def test_silence_and_full_scale_stay_what_they_are() -> None:
    assert not whole(np.zeros(500, np.int16), 8000, 16000).any()
    square = np.repeat(np.array([32767, -32768] * 20, np.int16), 20)
    assert np.abs(whole(square, 8000, 16000).astype(int)).max() <= 32768
