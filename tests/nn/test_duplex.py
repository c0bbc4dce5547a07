"""The duplex policy (random weights): steps equal the whole, slots never meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from voiceserver.audio.duplex_features import FEATURES
from voiceserver.errors import AssetError
from voiceserver.nn.duplex import CONFIG_FILE, DuplexPolicy, DuplexShape, load, save

SHAPE = DuplexShape(width=16, user_temperature=1.5)


@pytest.fixture
def policy() -> DuplexPolicy:
    torch.manual_seed(0)
    policy = DuplexPolicy(SHAPE)
    policy.mean += torch.randn(FEATURES)
    return policy.requires_grad_(False)


def test_steps_equal_the_whole(policy: DuplexPolicy) -> None:
    features = torch.randn(2, 9, FEATURES)
    user, own, _ = policy(features, policy.state(2))
    assert user.shape == (2, 9, 6)
    assert own.shape == (2, 9, 5)
    state = policy.state(2)
    for window in range(9):
        user_now, own_now, state = policy.step(features[:, window], state)
        torch.testing.assert_close(user_now, user[:, window])
        torch.testing.assert_close(own_now, own[:, window])


def test_slots_are_independent(policy: DuplexPolicy) -> None:
    torch.manual_seed(1)
    rows = torch.randn(4, 3, FEATURES)
    together, alone = policy.state(3), policy.state(1)
    for features in rows:
        user, _, together = policy.step(features, together)
        user_alone, _, alone = policy.step(features[1:2], alone)
    torch.testing.assert_close(user[1:2], user_alone)
    torch.testing.assert_close(together[1:2], alone)


def test_the_past_matters(policy: DuplexPolicy) -> None:
    features = torch.randn(1, FEATURES)
    first, _, state = policy.step(features, policy.state(1))
    second, _, _ = policy.step(features, state)
    assert (first - second).abs().max() > 1e-3


def test_saved_and_loaded(policy: DuplexPolicy, tmp_path: Path) -> None:
    save(policy, tmp_path, {"steps": 1})
    loaded = load(tmp_path)
    assert loaded.shape == SHAPE
    features = torch.randn(1, FEATURES)
    expected = policy.step(features, policy.state(1))[0]
    torch.testing.assert_close(
        loaded.step(features, loaded.state(1))[0], expected, atol=5e-3, rtol=0
    )


@pytest.mark.parametrize("change", [{"recipe": 999}, {"features": 3}, {"colour": 1}, {"width": 17}])
def test_files_that_do_not_fit_are_refused(
    policy: DuplexPolicy, tmp_path: Path, change: dict[str, int]
) -> None:
    save(policy, tmp_path, {})
    path = tmp_path / CONFIG_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(AssetError):
        load(tmp_path)


def test_missing_and_spoiled_files_are_refused(policy: DuplexPolicy, tmp_path: Path) -> None:
    with pytest.raises(AssetError):
        load(tmp_path)
    save(policy, tmp_path, {})
    (tmp_path / CONFIG_FILE).write_text("[]")
    with pytest.raises(AssetError):
        load(tmp_path)
