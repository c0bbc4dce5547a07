"""Training in small: losses fall on made-up dialogues, a stopped run goes on, weights come back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from voiceserver.audio.duplex_features import FEATURES
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.nn.duplex import DuplexShape, load, save
from voiceserver.scenes.stage import Event
from voiceserver.training.duplex.labels import YIELDS, labels
from voiceserver.training.duplex.shards import Shard
from voiceserver.training.duplex.training import (
    Dialogues,
    PolicyTraining,
    calibrated,
    forecasts,
    policy_losses,
)
from voiceserver.training.schedule import Progress

WINDOWS = 120
SHAPE = DuplexShape(width=16, layers=1)
STEP_S = 0.01  # what a step takes by the test's clock


@pytest.fixture(autouse=True)
def even_clock() -> Iterator[None]:
    ticks = itertools.count()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: next(ticks) * STEP_S)
        yield


@pytest.fixture(scope="module")
def dialogues() -> Dialogues:
    """Features that say what is the case, in noise."""
    random = np.random.default_rng(0)
    events, features = [], []
    for _ in range(32):
        begin, end = sorted(random.integers(0, 3 * LISTEN_RATE_HZ, 2))
        events.append([Event("turn", int(begin), int(end) + 1)])
        row = random.normal(0, 0.5, (WINDOWS, FEATURES))
        user = labels(events[-1], WINDOWS).user
        row[np.arange(WINDOWS), user] += 2.0
        features.append(row.astype(np.float16))
    return Dialogues.of([Shard(np.stack(features), np.zeros((32, WINDOWS, 2), np.float16), events)])


def test_learns_goes_on_and_comes_back(dialogues: Dialogues, tmp_path: Path) -> None:
    reported: list[Progress] = []
    training = PolicyTraining(dialogues, SHAPE, 0)
    training.run(150 * STEP_S, tmp_path / "policy.pt", reported.append)
    assert reported[-1].losses["user"] < 0.5 * reported[0].losses["user"]
    assert reported[-1].losses["own"] < reported[0].losses["own"]

    resumed = PolicyTraining(dialogues, SHAPE, 1)
    resumed.restore(tmp_path / "policy.pt")
    assert resumed.step == training.step
    policy = resumed.run(200 * STEP_S, tmp_path / "policy.pt", reported.append)
    assert reported[-1].step > training.step

    policy = calibrated(policy, dialogues)
    save(policy, tmp_path, {"steps": resumed.step})
    user, _ = forecasts(load(tmp_path), dialogues.features)
    torch.testing.assert_close(user, forecasts(policy, dialogues.features)[0], atol=0.05, rtol=0.05)


def test_calibration_does_not_make_labels_less_likely(dialogues: Dialogues) -> None:
    policy = PolicyTraining(dialogues, SHAPE, 0).average.requires_grad_(False)
    policy.user.weight.mul_(20.0)  # much too sure of itself
    before = forecasts(policy, dialogues.features)[0]
    after = calibrated(policy, dialogues)
    assert after.shape.user_temperature > 1.5
    wanted = dialogues.user.flatten()
    surprise = torch.nn.functional.cross_entropy
    cooled = forecasts(after, dialogues.features)[0]
    assert surprise(cooled.flatten(0, 1), wanted) < surprise(before.flatten(0, 1), wanted)


def test_windows_of_no_weight_do_not_count(dialogues: Dialogues) -> None:
    policy = PolicyTraining(dialogues, SHAPE, 0).average
    batch = dialogues.picked(torch.arange(4), 0, WINDOWS)
    half = batch.weight.clone()
    half[:, 60:] = 0.0
    changed = batch.user.clone()
    changed[:, 60:] = YIELDS
    first = Dialogues(batch.features, batch.user, batch.own, half)
    second = Dialogues(batch.features, changed, batch.own, half)
    losses = [policy_losses(policy, b, b.features.float())["user"].item() for b in (first, second)]
    assert losses[0] == losses[1]
