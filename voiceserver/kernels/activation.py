"""Snake, SNAC's activation: x + sin(alpha x)^2 / alpha, with an alpha a channel.

It is passed as alpha and its reciprocal: [2, C].
"""

from __future__ import annotations

import torch
from torch import Tensor

from voiceserver.kernels.language import jit, power_of_2, tl


def naive(x: Tensor, alpha: Tensor) -> Tensor:
    """x: [..., C], alpha: [2, C] -> [..., C]"""
    sine = torch.mul(x, alpha[0]).sin_()
    return torch.addcmul(x, sine.mul_(sine), alpha[1])


def fused(x: Tensor, alpha: Tensor) -> Tensor:
    """As `naive`: a block of rows a program."""
    x, channels = x.contiguous(), x.shape[-1]
    y = torch.empty_like(x)
    rows = x.numel() // channels
    block = max(1, _BLOCK_NUMBERS // power_of_2(channels))
    _snake_kernel[(-(-rows // block),)](
        x, alpha, y, rows, CHANNELS=channels, ROWS=block, LANES=power_of_2(channels)
    )
    return y


_BLOCK_NUMBERS = 2048


@jit
def _snake_kernel(
    x_pointer: tl.tensor,
    alpha_pointer: tl.tensor,
    y_pointer: tl.tensor,
    rows: tl.tensor,
    CHANNELS: tl.constexpr,
    ROWS: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    lane = tl.arange(0, LANES)
    here = lane < CHANNELS
    inside = (row < rows)[:, None] & here[None, :]
    at = row[:, None] * CHANNELS + lane[None, :]
    alpha = tl.load(alpha_pointer + lane, here, 0.0)[None, :]
    inverse = tl.load(alpha_pointer + CHANNELS + lane, here, 0.0)[None, :]
    x = tl.load(x_pointer + at, inside, 0.0)
    sine = tl.sin(x * alpha)
    tl.store(y_pointer + at, x + sine * sine * inverse, inside)
