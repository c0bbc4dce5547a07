from __future__ import annotations

import numpy as np
import pytest
from transformers import WhisperFeatureExtractor

from voiceserver.audio.mel import log_mel


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
