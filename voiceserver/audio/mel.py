"""Whisper's log-mel spectrogram at 16 kHz, in numpy: what the recogniser and smart-turn read.

Numbers follow openai-whisper: 25 ms Hann windows every 10 ms, 80 Slaney mel bands, logarithm
floored 8 decades below the peak. It is not a general spectrogram library.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ, exact_div

Floats = NDArray[np.float32]

WINDOW_SAMPLES = exact_div(LISTEN_RATE_HZ * 25, 1000)  # 400
HOP_SAMPLES = exact_div(LISTEN_RATE_HZ * 10, 1000)  # 160
BANDS = 80
POWER_FLOOR = 1e-10
DYNAMIC_RANGE_DECADES = 8.0

# Slaney's scale: linear below 1 kHz (15 mels), logarithmic above, 27 mels to a factor of 6.4.
HZ_PER_MEL = 200.0 / 3.0
BREAK_MEL = 15.0
LOG_STEP = np.log(6.4) / 27.0


def log_mel(samples: Floats) -> Floats:
    """Log-mel of [n] samples: [80, n // 160], about -1..1."""
    levels = mel_decades(samples, 0, len(samples) // HOP_SAMPLES)
    return scaled(levels, float(levels.max()))


def mel_decades(samples: Floats, begin: int, end: int) -> Floats:
    """Powers of ten in each band, of some frames of a clip: [80, end - begin]"""
    half = WINDOW_SAMPLES // 2  # a frame's window stands around its first sample
    first, last = begin * HOP_SAMPLES - half, (end - 1) * HOP_SAMPLES + half
    heard = samples[max(first, 0) : min(last, len(samples))].astype(np.float32)
    edges = (max(-first, 0), max(last - len(samples), 0))
    padded = np.pad(heard, edges, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(windows * _hann(), axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)  # [frames, 201]
    mel = _filters() @ power.astype(np.float32).T  # [80, frames]
    decades: Floats = np.log10(np.maximum(mel, POWER_FLOOR))
    return decades


def scaled(decades: Floats, peak: float) -> Floats:
    """As Whisper takes them, given the clip's loudest band."""
    floored = np.maximum(decades, peak - DYNAMIC_RANGE_DECADES)
    return np.ascontiguousarray((floored + 4.0) / 4.0, dtype=np.float32)


@cache
def _hann() -> Floats:
    return np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)  # periodic


@cache
def _filters() -> Floats:
    return mel_filters(WINDOW_SAMPLES // 2 + 1, BANDS)


def mel_filters(bins: int, bands: int) -> Floats:
    """Triangles over `bins` frequencies up to Nyquist, each of unit area: [bands, bins]."""
    nyquist_hz = LISTEN_RATE_HZ / 2
    edges_hz = _hz(np.linspace(0.0, _mel(nyquist_hz), bands + 2))[:, None]
    frequency_hz = np.linspace(0.0, nyquist_hz, bins)[None]
    low_hz, peak_hz, high_hz = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (frequency_hz - low_hz) / (peak_hz - low_hz)
    falling = (high_hz - frequency_hz) / (high_hz - peak_hz)
    triangles = np.minimum(rising, falling).clip(min=0.0)
    return (triangles * 2.0 / (high_hz - low_hz)).astype(np.float32)


def _mel(hz: float) -> float:
    break_hz = BREAK_MEL * HZ_PER_MEL
    return hz / HZ_PER_MEL if hz < break_hz else BREAK_MEL + float(np.log(hz / break_hz)) / LOG_STEP


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = BREAK_MEL * HZ_PER_MEL * np.exp(LOG_STEP * (mel - BREAK_MEL))
    return np.where(mel < BREAK_MEL, mel * HZ_PER_MEL, above)
