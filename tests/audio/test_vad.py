from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from voiceserver.assets import resolve
from voiceserver.audio.vad import VoiceActivity, levels_dbfs
from voiceserver.scenes.kokoro import RATE_HZ, speak

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def file() -> Path:
    return resolve("nano", quiet=True)["vad"]


@pytest.fixture(scope="module")
def speech() -> Floats:
    words = soxr.resample(speak("What is the capital of France?"), RATE_HZ, 16_000)
    samples = np.concatenate([np.zeros(8192), words, np.zeros(16_384)])
    return samples[: len(samples) // 512 * 512].astype(np.float32).reshape(-1, 512)


def alone(file: Path, windows: Floats) -> list[float]:
    vad = VoiceActivity(file, slots=1)
    return [vad.step([0], window[None])[0] for window in windows]


def test_speech_is_told_from_silence(file: Path, speech: Floats) -> None:
    probability = alone(file, speech)
    assert max(probability[:12]) < 0.3
    assert np.median(probability[20:40]) > 0.9
    assert max(probability[-12:]) < 0.3


def test_a_slot_hears_the_same_alone_and_among_others(file: Path, speech: Floats) -> None:
    vad = VoiceActivity(file, slots=3)
    noise = np.random.default_rng(0).normal(scale=0.3, size=speech.shape).astype(np.float32)
    among: list[float] = []
    for index, window in enumerate(speech):
        others = [2, 0] if index % 3 else [0]
        rows = np.stack([window, *(noise[index] for _ in others)])
        among.append(vad.step([1, *others], rows)[0])
    np.testing.assert_allclose(among, alone(file, speech), atol=1e-4)


def test_reset_forgets(file: Path, speech: Floats) -> None:
    vad = VoiceActivity(file, slots=1)
    first = [vad.step([0], window[None])[0] for window in speech[:30]]
    vad.reset(0)
    again = [vad.step([0], window[None])[0] for window in speech[:30]]
    assert first == again


def test_extreme_samples_give_finite_answers(file: Path) -> None:
    loud = np.tile(np.array([1.0, -1.0], np.float32), 256)
    assert 0.0 <= alone(file, np.stack([loud] * 5))[-1] <= 1.0


def test_levels() -> None:
    windows = np.stack([np.zeros(512), np.ones(512), np.full(512, 0.1)]).astype(np.float32)
    assert levels_dbfs(windows) == pytest.approx([-120.0, 0.0, -20.0], abs=0.01)


def test_shares_of_the_streams_may_be_heard_in_threads(file: Path, speech: Floats) -> None:
    streams = np.stack([np.roll(speech, 5 * i, axis=0) for i in range(5)], axis=1)  # [T, 5, 512]
    one, two = VoiceActivity(file, slots=5), VoiceActivity(file, slots=5, threads=2)
    for windows in streams[:20]:
        assert two.step(range(5), windows) == pytest.approx(one.step(range(5), windows), abs=1e-4)
