"""One step of a training run, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from voiceserver.training.steps import descend, follow, keep


def _line(weight: float) -> torch.nn.Linear:
    line = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(line.weight, weight)
    return line


def test_a_step_goes_down_as_far_as_the_rate_says_and_never_far() -> None:
    line = _line(1.0)
    optimizer = torch.optim.SGD(line.parameters(), 9.0)
    descend(optimizer, line, 0.5 * line.weight.sum(), 0.1)
    assert line.weight.item() == pytest.approx(1.0 - 0.1 * 0.5)
    descend(optimizer, line, 0.25 * line.weight.sum(), 0.1)  # the last gradient is forgotten
    assert line.weight.item() == pytest.approx(0.95 - 0.1 * 0.25)
    descend(optimizer, line, 100 * line.weight.sum(), 0.1)
    assert line.weight.item() == pytest.approx(0.925 - 0.1, abs=1e-5)


def test_the_average_follows_quickly_at_first() -> None:
    average, line = _line(0.0), _line(1.0)
    follow(average, line, 0.99, step=1)
    assert average.weight.item() == pytest.approx(9 / 11)
    average = _line(0.0)
    follow(average, line, 0.99, step=10_000)
    assert average.weight.item() == pytest.approx(0.01)


def test_a_checkpoint_is_whole_or_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.pt"
    keep({"step": 1}, path)

    def broken_off(state: object, place: Path) -> None:
        place.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", broken_off)
    with pytest.raises(KeyboardInterrupt):
        keep({"step": 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
