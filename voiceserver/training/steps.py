"""What every training run does in a step, and how it is kept while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def descend(
    optimizer: torch.optim.Optimizer, network: nn.Module, loss: Tensor, rate: float
) -> None:
    """One step at this learning rate, with the gradient's length bounded."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, most_decay: float, step: int) -> None:
    """Draw the averaged weights towards the new ones; early on they must follow quickly."""
    decay = min(most_decay, (1 + step) / (10 + step))
    kept: list[Tensor] = list(average.parameters())
    new: list[Tensor] = list(network.parameters())
    torch._foreach_lerp_(kept, new, 1 - decay)


def keep(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)
