"""Kernels run on the GPU where there is one, else in Triton's interpreter on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from .kernel_kit import Draw


@pytest.fixture(scope="session")
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture
def draw(device: torch.device) -> Draw:
    return Draw(device)


@pytest.fixture(autouse=True)
def _unwritten_memory_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel gets its outputs full of NaN or -1, so what it forgets to write is seen."""
    for name in ("empty", "empty_like"):
        monkeypatch.setattr(torch, name, _spoiled(getattr(torch, name)))


def _spoiled(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def empty(*args: object, **kwargs: object) -> Tensor:
        tensor = make(*args, **kwargs)
        return tensor.fill_(torch.nan if tensor.is_floating_point() else -1)

    return empty
