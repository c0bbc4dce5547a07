"""Normally distributed noise that is a function of (seed, stage, sample) and of nothing else.

Philox with the seed as its key and (sample, stage) as its counter gives two words, and Box-Muller
makes a normal of them. So a sound's noise is the same whether it is drawn at once or piece by
piece, alone or in a batch.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from voiceserver.kernels import philox
from voiceserver.kernels.language import jit, tl
from voiceserver.kernels.philox import device_uniform, device_words

_LOW: Final = 0xFFFFFFFF
_TURN: Final = 2.0 * math.pi
_BLOCK: Final = 256


def naive(seeds: Tensor, stages: Tensor, samples: Tensor) -> Tensor:
    """seeds: [B], stages: [N], samples: [B, N], all int64 -> [B, N], float32"""
    low, high = samples & _LOW, (samples >> 32) & _LOW
    first, second, _, _ = philox.words(seeds[:, None], low, high, stages, philox.FOR_NOISE)
    radius = philox.uniform(first).log_().mul_(-2.0).sqrt_()
    return philox.uniform(second).mul_(_TURN).cos_().mul_(radius)


def fused(seeds: Tensor, stages: Tensor, samples: Tensor) -> Tensor:
    """As `naive`: a program draws some samples of one row."""
    batch, count = samples.shape
    samples = samples.contiguous()
    drawn = torch.empty(batch, count, dtype=torch.float32, device=samples.device)
    _noise_kernel[(batch, -(-count // _BLOCK))](
        seeds, stages, samples, drawn, count, TURN=_TURN, PURPOSE=philox.FOR_NOISE, BLOCK=_BLOCK
    )
    return drawn


@jit
def _noise_kernel(
    seeds_pointer: tl.tensor,
    stages_pointer: tl.tensor,
    samples_pointer: tl.tensor,
    drawn_pointer: tl.tensor,
    count: tl.tensor,
    TURN: tl.constexpr,
    PURPOSE: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64)
    lane = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = lane < count
    seed = tl.load(seeds_pointer + row)
    sample = tl.load(samples_pointer + row * count + lane, inside, 0)
    stage = tl.load(stages_pointer + lane, inside, 0)
    first, second, _, _ = device_words(seed, sample, sample >> 32, stage, PURPOSE)
    radius = tl.sqrt(-2.0 * tl.log(device_uniform(first)))
    drawn = radius * tl.cos(device_uniform(second) * TURN)
    tl.store(drawn_pointer + row * count + lane, drawn, inside)
