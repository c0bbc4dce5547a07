"""What is forecast of every window: by the policy in batches, and by loudness."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from voiceserver.engine.family import Samples, Window
from voiceserver.engine.forecast import OWN_FORECAST, USER_FORECAST
from voiceserver.engine.listening.energy import EnergyForecaster
from voiceserver.engine.listening.policy import PolicyForecaster
from voiceserver.nn.duplex import DuplexPolicy, DuplexShape


@pytest.fixture
def forecaster() -> PolicyForecaster:
    """A small policy with random weights."""
    torch.manual_seed(3)
    return PolicyForecaster(DuplexPolicy(DuplexShape(width=24, layers=1)).eval(), 3)


def sound(seed: int, windows: int) -> Samples:
    """Noise that comes and goes: [windows, 512]"""
    random = np.random.default_rng(seed)
    loudness = random.choice([0.001, 0.1], (windows, 1))
    return (loudness * random.standard_normal((windows, 512))).astype(np.float32)


def window(slot: int, index: int) -> Window:
    return Window(slot, 512 * (index + 1), 0.5 + 0.4 * (-1) ** index, -30.0, 0.1)


def told(forecaster: PolicyForecaster, slots: list[int], user: Samples) -> list[list[float]]:
    """What is forecast of the user's side when these slots all hear the same; by window."""
    found = []
    for index, heard in enumerate(user):
        windows = [window(slot, index) for slot in slots]
        both = np.stack([heard] * len(slots))
        judged = forecaster.step(windows, both, 0.5 * both)
        forecasts = [w.forecast for w in judged]
        assert all(f is not None for f in forecasts)
        found.append([p for f in forecasts if f is not None for p in f.user])
    return found


def test_a_forecast_is_made_of_probabilities_and_remembers(forecaster: PolicyForecaster) -> None:
    user = sound(1, 12)
    first, second = told(forecaster, [0], user), told(forecaster, [0], user)
    for shares in first:
        assert sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(np.array(first) - np.array(second)).max() > 1e-4
    forecaster.reset(0)
    assert told(forecaster, [0], user) == first


def test_slots_are_judged_together_as_if_alone(forecaster: PolicyForecaster) -> None:
    user = sound(2, 10)
    alone = told(forecaster, [1], user)
    forecaster.reset(1)
    together = told(forecaster, [2, 1], user)
    np.testing.assert_allclose([w[6:] for w in together], alone, atol=1e-5)
    np.testing.assert_allclose([w[:6] for w in together], alone, atol=1e-5)


def energy(picture: str) -> list[tuple[float, str]]:
    """By window: voice, and what is expected, of loud (#) and quiet (.) windows."""
    forecaster = EnergyForecaster(1)
    found = []
    nothing = np.zeros((1, 512), np.float32)
    for index, sign in enumerate(picture):
        level = -25.0 if sign == "#" else -75.0
        heard = Window(0, 512 * (index + 1), 0.0, level, 0.9)
        [judged] = forecaster.step([heard], nothing, nothing)
        assert judged.forecast is not None
        assert sum(judged.forecast.own) == 1.0
        assert len(judged.forecast.own) == len(OWN_FORECAST)
        found.append((judged.probability, USER_FORECAST[int(np.argmax(judged.forecast.user))]))
    return found


def test_loudness_speaks_interrupts_and_yields() -> None:
    found = energy("." * 20 + "#" * 10 + "." * 20)
    voices, expected = zip(*found, strict=True)
    assert voices == (0.0,) * 20 + (1.0,) * 10 + (0.0,) * 20
    assert expected[20:26] == ("silent",) * 5 + ("interrupts",)  # 200 ms
    assert expected[30 + 14 - 1] == "silent"
    assert set(expected[30 + 15 :]) == {"yields"}  # half a second


def test_a_steady_noise_becomes_the_floor() -> None:
    forecaster = EnergyForecaster(1)
    nothing = np.zeros((1, 512), np.float32)
    voices = [
        forecaster.step([Window(0, 512, 0.0, -45.0, 0.0)], nothing, nothing)[0].probability
        for _ in range(400)
    ]
    assert voices[0] == 1.0
    assert voices[-1] == 0.0
