from __future__ import annotations

import numpy as np
import pytest
import soxr

from voiceserver.assets import resolve
from voiceserver.audio.turn_end import TurnEndPredictor
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak


@pytest.fixture(scope="module")
def predictor() -> TurnEndPredictor:
    return TurnEndPredictor(resolve("nano", quiet=True)["turn_end"])


def test_a_finished_question_is_told_from_a_broken_one(predictor: TurnEndPredictor) -> None:
    finished, broken = [], []
    for voice in VOICES[:3]:
        speech = soxr.resample(speak("How do I make a good cup of coffee?", voice), RATE_HZ, 16_000)
        pause = np.zeros(3200, np.float32)
        finished.append(predictor.probability(np.concatenate([speech, pause])))
        cut = speech[: int(len(speech) * 0.55)]
        broken.append(predictor.probability(np.concatenate([cut, pause])))
    assert np.mean(finished) > np.mean(broken) + 0.4


def test_only_the_last_eight_seconds_count(predictor: TurnEndPredictor) -> None:
    tail = np.random.default_rng(0).normal(scale=0.1, size=8 * 16_000).astype(np.float32)
    before = np.ones(40_000, np.float32)
    longer = predictor.probability(np.concatenate([before, tail]))
    assert longer == pytest.approx(predictor.probability(tail))


@pytest.mark.parametrize("samples", [0, 1, 400])
def test_very_short_audio_is_answered(predictor: TurnEndPredictor, samples: int) -> None:
    assert 0.0 <= predictor.probability(np.ones(samples, np.float32)) <= 1.0
