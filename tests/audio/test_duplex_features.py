"""The duplex policy's features: pitch, level and durations of sounds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceserver.audio.duplex_features import BANDS, FEATURES, OWN_BANDS, PITCH, DuplexFeatures
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES

Floats = NDArray[np.float32]
SILENT = np.zeros(VAD_WINDOW_SAMPLES, np.float32)

DURATIONS = FEATURES - 9


def _buzz(pitch_hz: float, windows: int, level: float = 0.1) -> Floats:
    """A voice-like tone of many harmonics: [windows, 512]"""
    time_s = np.arange(windows * VAD_WINDOW_SAMPLES) / LISTEN_RATE_HZ
    tones = [np.sin(2 * np.pi * k * pitch_hz * time_s) / k for k in range(1, 20)]
    return (level * np.sum(tones, axis=0)).astype(np.float32).reshape(windows, -1)


def _run(features: DuplexFeatures, windows: Floats, voice: float = 0.9) -> Floats:
    return np.stack([features.step(window, SILENT, voice, 0.0) for window in windows])


def test_shape_and_silence() -> None:
    row = DuplexFeatures().step(SILENT, SILENT, 0.0, 0.0)
    assert row.shape == (FEATURES,)
    assert row.dtype == np.float32
    assert np.isfinite(row).all()
    assert np.abs(row).max() < 10.0


@pytest.mark.parametrize("pitch_hz", [90.0, 140.0, 260.0])
def test_a_falling_pitch_falls_by_its_octaves(pitch_hz: float) -> None:
    features = DuplexFeatures()
    high = _run(features, _buzz(pitch_hz, 12))[-1]
    low = _run(features, _buzz(pitch_hz / 2**0.25, 4))[-1]
    assert high[PITCH + 2] > 0.9
    assert high[PITCH] - low[PITCH] == pytest.approx(0.25, abs=0.08)  # the mean follows a little


def test_pitch_is_found_without_its_fundamental() -> None:
    """As a telephone passes it."""
    spectrum = np.fft.rfft(_buzz(130.0, 12).ravel())
    hz = np.fft.rfftfreq(12 * VAD_WINDOW_SAMPLES, 1 / LISTEN_RATE_HZ)
    narrow = np.fft.irfft(spectrum * ((hz > 300) & (hz < 3400))).astype(np.float32)
    whole = _run(DuplexFeatures(), _buzz(130.0, 12))[-3]
    telephone = _run(DuplexFeatures(), narrow.reshape(12, -1))[-3]
    assert telephone[PITCH] == pytest.approx(whole[PITCH], abs=0.02)


def test_a_quiet_speaker_sounds_like_a_loud_one() -> None:
    loud = _run(DuplexFeatures(), _buzz(120.0, 80, 0.2))[-1]
    quiet = _run(DuplexFeatures(), _buzz(120.0, 80, 0.01))[-1]
    # Where the buzz has harmonics; what it lacks is as faint in both.
    np.testing.assert_allclose(loud[: BANDS // 2], quiet[: BANDS // 2], atol=0.1)
    assert loud[BANDS + 4] - quiet[BANDS + 4] == pytest.approx(2.6, abs=0.05)  # 26 dB


def test_durations_count_voice_silence_and_our_own_speech() -> None:
    features = DuplexFeatures()
    spoken = _run(features, _buzz(120.0, 10))[-1][DURATIONS:]
    assert np.expm1(3 * spoken[:4]) == pytest.approx([10, 10, 10, 0], abs=1e-3)
    paused = _run(features, np.stack([SILENT] * 4), voice=0.0)[-1][DURATIONS:]
    assert np.expm1(3 * paused[:4]) == pytest.approx([0, 14, 10, 4], abs=1e-3)
    assert paused[6:8] == pytest.approx([4 / 8, 4 / 24])
    later = _run(features, np.stack([SILENT] * 100), voice=0.0)[-1][DURATIONS:]
    assert later[1:3] == pytest.approx([0, 0])  # that turn is over
    own = _buzz(100.0, 3)
    for window in own:
        row = features.step(SILENT, window, 0.0, 0.0)
    assert np.expm1(3 * row[DURATIONS + 4]) == pytest.approx(3, abs=1e-3)
    own_bands = row[-9 - 2 - OWN_BANDS : -9 - 2]
    assert own_bands[0] > -2.0  # below 500 Hz or so there is most of it


def test_our_own_echo_is_nobody_speaking() -> None:
    features = DuplexFeatures()
    for window in _buzz(120.0, 5):
        row = features.step(window, window, 0.95, 1.0)
    assert np.expm1(3 * row[DURATIONS]) == 0


def test_whole_equals_window_by_window_with_another_slot_between() -> None:
    rng = np.random.default_rng(0)
    windows = np.concatenate([_buzz(150.0, 6), np.stack([SILENT] * 3), _buzz(120.0, 5)])
    windows += rng.normal(0, 0.01, windows.shape).astype(np.float32)
    alone = _run(DuplexFeatures(), windows)
    one, other = DuplexFeatures(), DuplexFeatures()
    beside = []
    for window in windows:
        beside.append(one.step(window, SILENT, 0.9, 0.0))
        other.step(window[::-1] * 0.3, window, 0.1, 0.8)
    np.testing.assert_array_equal(alone, np.stack(beside))
