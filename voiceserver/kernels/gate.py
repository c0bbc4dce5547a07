"""SwiGLU: silu(gate) * up, with the two side by side in one tensor. Computed in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.kernels.language import jit, tl

_BLOCK = 1024


def naive(gate_up: Tensor) -> Tensor:
    """gate_up: [N, 2 I], gate first -> [N, I] of the same dtype"""
    gate, up = gate_up.float().chunk(2, dim=-1)
    return F.silu(gate).mul_(up).to(gate_up.dtype)


def fused(gate_up: Tensor) -> Tensor:
    """As `naive`: one program a row and a block of columns."""
    count, width = gate_up.shape
    size = width // 2
    assert gate_up.stride(1) == 1, "numbers of a row must lie together"
    out = torch.empty(count, size, dtype=gate_up.dtype, device=gate_up.device)
    grid = (count, -(-size // _BLOCK))
    _gate_kernel[grid](gate_up, out, gate_up.stride(0), SIZE=size, BLOCK=_BLOCK)
    return out


@jit
def _gate_kernel(
    gate_up_pointer: tl.tensor,
    out_pointer: tl.tensor,
    stride: tl.tensor,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < SIZE
    gate = tl.load(gate_up_pointer + row * stride + column, inside, 0.0).to(tl.float32)
    up = tl.load(gate_up_pointer + row * stride + SIZE + column, inside, 0.0).to(tl.float32)
    product = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(out_pointer + row * SIZE + column, product.to(out_pointer.dtype.element_ty), inside)
