"""Streaming resampling: chunked equals whole, lengths and tones are right, nothing is left over."""

from __future__ import annotations

import numpy as np
import pytest

from voiceserver.audio.resample import StreamingResampler

RATES = [(24000, 16000), (22050, 24000), (22050, 48000)]


def sound(rate_hz: int, seconds: float) -> np.ndarray:
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    return (9000 * np.sin(2 * np.pi * 440 * t) + 3000 * np.sin(2 * np.pi * 3000 * t)).astype("i2")


def converted(resampler: StreamingResampler, samples: np.ndarray, chunk: int) -> np.ndarray:
    pieces = [resampler.process(samples[i : i + chunk]) for i in range(0, len(samples), chunk)]
    return np.concatenate([*pieces, resampler.flush()])


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("chunk", [1, 160, 480, 1792, 7777])
def test_chunked_equals_whole(from_hz: int, to_hz: int, chunk: int) -> None:
    samples = sound(from_hz, 0.5)
    whole = converted(StreamingResampler(from_hz, to_hz), samples, len(samples))
    parts = converted(StreamingResampler(from_hz, to_hz), samples, chunk)
    assert abs(len(whole) - len(samples) * to_hz / from_hz) <= 1
    assert len(parts) == len(whole)
    assert np.array_equal(parts, whole)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_tone_stays_where_it_was(from_hz: int, to_hz: int) -> None:
    out = converted(StreamingResampler(from_hz, to_hz), sound(from_hz, 0.5), 480)
    expected = sound(to_hz, 0.5)
    n = min(len(out), len(expected)) - 400  # the filter rings at both ends
    difference = out[400:n].astype(float) - expected[400:n]
    assert np.sqrt(np.mean(difference**2)) < 120


def test_the_stream_after_a_flush_starts_clean() -> None:
    resampler = StreamingResampler(22050, 24000)
    first = converted(resampler, sound(22050, 0.3), 1792)
    assert np.array_equal(converted(resampler, sound(22050, 0.3), 1792), first)
    assert not converted(resampler, np.zeros(5000, np.int16), 500).any()


def test_equal_rates_pass_through() -> None:
    resampler = StreamingResampler(24000, 24000)
    samples = sound(24000, 0.1)
    assert np.array_equal(converted(resampler, samples, 480), samples)
