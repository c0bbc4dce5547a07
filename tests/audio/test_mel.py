from __future__ import annotations

import numpy as np
import pytest
from transformers import WhisperFeatureExtractor

from voiceserver.audio.mel import log_mel, mel_decades, scaled


@pytest.mark.parametrize("seconds", [0.3, 1.0, 8.0])
def test_equals_the_feature_extractor_whisper_was_published_with(seconds: float) -> None:
    samples = np.random.default_rng(0).normal(scale=0.1, size=int(16_000 * seconds))
    samples = samples.astype(np.float32)
    theirs = WhisperFeatureExtractor()(
        samples, sampling_rate=16_000, padding=False, return_tensors="np"
    )
    np.testing.assert_allclose(log_mel(samples), theirs.input_features[0], atol=1e-4)


def test_silence_and_full_scale_are_finite() -> None:
    for samples in (np.zeros(3200), np.ones(3200), np.tile([1.0, -1.0], 1600)):
        assert np.isfinite(log_mel(samples.astype(np.float32))).all()


def test_frames_alone_are_those_of_the_whole() -> None:
    samples = np.random.default_rng(0).normal(scale=0.1, size=16_000).astype(np.float32)
    whole = mel_decades(samples, 0, 100)
    for begin, end in ((0, 1), (0, 7), (1, 2), (37, 61), (98, 100)):
        np.testing.assert_allclose(mel_decades(samples, begin, end), whole[:, begin:end], atol=1e-4)
    np.testing.assert_array_equal(scaled(whole, float(whole.max())), log_mel(samples))


def test_what_is_far_below_the_peak_is_raised_to_its_floor() -> None:
    decades = np.array([[2.0, -3.0, -7.0, -10.0]], np.float32)
    np.testing.assert_allclose(scaled(decades, 2.0), [[1.5, 0.25, -0.5, -0.5]])
    np.testing.assert_allclose(scaled(decades, -1.0)[0, 3], -1.25)
