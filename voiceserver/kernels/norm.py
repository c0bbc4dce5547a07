"""Residual sum and RMS norm in one pass.

    total = x + delta                                      [N, D], dtype of x
    normed = total / sqrt(mean(total^2) + epsilon) * weight  [N, D], dtype of weight

Computed in float32. `delta` may be None (then total is x itself) and may have a dtype of its own,
so that a float32 residual stream runs between bfloat16 layers.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from voiceserver.kernels.language import jit, power_of_2, tl


def naive(x: Tensor, delta: Tensor | None, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """x + delta, and its RMS norm. x, delta: [N, D], weight: [D]"""
    total = x if delta is None else (x + delta).to(x.dtype)
    exact, size = total.float(), x.shape[1]
    # Few operations, as a step on a CPU has 49 of these: sqrt(sum(x^2) + D * epsilon) is a hypot.
    length = torch.linalg.vector_norm(exact, dim=-1, keepdim=True)
    length = torch.hypot(length, _number((size * epsilon) ** 0.5, x.device))
    return total, (exact / length).mul_(weight.float() * size**0.5).to(weight.dtype)


@lru_cache
def _number(value: float, device: torch.device) -> Tensor:
    return torch.full((), value, device=device)


def fused(x: Tensor, delta: Tensor | None, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """As `naive`: one program a row."""
    count, size = x.shape
    assert x.stride(1) == weight.stride(0) == 1, "numbers of a row must lie together"
    assert delta is None or (delta.shape == x.shape and delta.stride(1) == 1), "delta is unlike x"
    total = x if delta is None else torch.empty(count, size, dtype=x.dtype, device=x.device)
    normed = torch.empty(count, size, dtype=weight.dtype, device=x.device)
    _norm_kernel[(count,)](
        x,
        x if delta is None else delta,
        weight,
        total,
        normed,
        x.stride(0),
        x.stride(0) if delta is None else delta.stride(0),
        SIZE=size,
        EPSILON=epsilon,
        HAS_DELTA=delta is not None,
        BLOCK=power_of_2(size),
    )
    return total, normed


@jit
def _norm_kernel(
    x_pointer: tl.tensor,
    delta_pointer: tl.tensor,
    weight_pointer: tl.tensor,
    total_pointer: tl.tensor,
    normed_pointer: tl.tensor,
    x_stride: tl.tensor,
    delta_stride: tl.tensor,
    SIZE: tl.constexpr,
    EPSILON: tl.constexpr,
    HAS_DELTA: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, BLOCK)
    inside = lane < SIZE
    total = tl.load(x_pointer + row * x_stride + lane, inside, 0.0).to(tl.float32)
    if HAS_DELTA:
        total += tl.load(delta_pointer + row * delta_stride + lane, inside, 0.0).to(tl.float32)
        stored = total.to(total_pointer.dtype.element_ty)
        tl.store(total_pointer + row * SIZE + lane, stored, inside)
        total = stored.to(tl.float32)  # what the next layer will read is what is normed
    scale = 1.0 / tl.sqrt(tl.sum(total * total) / SIZE + EPSILON)
    weight = tl.load(weight_pointer + lane, inside, 0.0).to(tl.float32)
    normed = (total * scale * weight).to(normed_pointer.dtype.element_ty)
    tl.store(normed_pointer + row * SIZE + lane, normed, inside)
