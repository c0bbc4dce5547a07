"""Normally distributed noise that is a function of (seed, stage, sample) and of nothing else.

Philox with the seed as its key and (sample, stage) as its counter gives two words, Box-Muller makes
a normal of them. So a sound's noise is the same whether it is drawn at once or piece by piece,
alone or in a batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from torch import Tensor

from voiceserver.kernels import philox

if TYPE_CHECKING:
    pass

_LOW: Final = 0xFFFFFFFF


def naive(seeds: Tensor, stages: Tensor, samples: Tensor) -> Tensor:
    """seeds: [B], stages: [N], samples: [B, N], all int64 -> [B, N], float32"""
    low, high = samples & _LOW, (samples >> 32) & _LOW
    first, second, _, _ = philox.words(seeds[:, None], low, high, stages, philox.FOR_NOISE)
    radius = philox.uniform(first).log_().mul_(-2.0).sqrt_()
    return philox.uniform(second).mul_(2.0 * math.pi).cos_().mul_(radius)
