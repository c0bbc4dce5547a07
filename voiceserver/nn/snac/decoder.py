"""The decoder of SNAC: codes -> latents -> four levels of upsampling -> samples.

Every layer works on [B, T, C], channels innermost: 1x1 and transposed convolutions are then plain
matrix products, and steps are short. Where a layer looks beyond its input, `Edges` says what is
there: silence around a whole utterance, or what came before in a stream (which is then late by as
much as the layer looks ahead).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver import kernels
from voiceserver.nn.snac.config import KERNEL, SnacConfig, crop, reach
from voiceserver.nn.snac.weights import LevelWeights, SnacWeights, UnitWeights

Masked = tuple[Tensor, Tensor | None]  # [B, T, C], and which rows belong to the utterance: [B, T]


class Edges(Protocol):
    """What lies beyond a layer's input; asked once by every such layer, in their order."""

    def around(self, x: Tensor, reach: int) -> Masked:
        """x: [B, T, C] -> [B, reach + T + reach, C]"""
        ...

    def pairs(self, x: Tensor) -> Masked:
        """`x` and a row before it, and one behind it where the end is known."""
        ...

    def upsampled(self, x: Tensor, stride: int) -> Tensor:
        """What belongs to the output of a transposed convolution made of such pairs."""
        ...


class Whole:
    """A whole utterance: zeros on both sides."""

    def around(self, x: Tensor, reach: int) -> Masked:
        return F.pad(x, (0, 0, reach, reach)), None

    def pairs(self, x: Tensor) -> Masked:
        return F.pad(x, (0, 0, 1, 1)), None

    def upsampled(self, x: Tensor, stride: int) -> Tensor:
        return x[:, crop(stride) : crop(stride) + x.shape[1] - stride]


def latents_of(codes: Sequence[Tensor], weights: SnacWeights, config: SnacConfig) -> Tensor:
    """codes: [B, T / stride] of each codebook -> [B, T, latent_dim]"""
    vectors = [
        F.embedding(ids, book).unsqueeze(2).expand(-1, -1, stride, -1).flatten(1, 2)
        for ids, book, stride in zip(codes, weights.codebooks, config.vq_strides, strict=True)
    ]
    return F.linear(torch.cat(vectors, -1), weights.latents, weights.latents_bias)


def samples_of(
    latents: Tensor, weights: SnacWeights, edges: Edges, noise: Sequence[Tensor] | None
) -> Tensor:
    """latents: [B, T, latent_dim], noise of each level: [B, T * rate] -> [B, T * hop]"""
    x, mask = edges.around(latents, reach(1))
    x = _over_time(_masked(x, mask), weights.first, weights.first_bias, 1)
    if weights.widen is not None:
        x = F.linear(x, *weights.widen)
    for index, level in enumerate(weights.levels):
        x = _level(x, level, edges, None if noise is None else noise[index])
    x, mask = edges.around(x, reach(1))
    x = _masked(kernels.snake(x, weights.last_snake), mask)
    return _last(x, weights.last, weights.last_bias)


def _level(x: Tensor, level: LevelWeights, edges: Edges, noise: Tensor | None) -> Tensor:
    """x: [B, T, C_in] -> [B, T * stride, C]"""
    x, mask = edges.pairs(x)
    x = _masked(kernels.snake(x, level.snake), mask)
    pairs = torch.cat([x[:, :-1], x[:, 1:]], -1)  # [B, T', 2 * C_in]
    y = level.up(pairs.flatten(0, 1))
    y = edges.upsampled(y.view(len(x), pairs.shape[1] * level.stride, -1), level.stride)
    if noise is not None and level.noise is not None:
        y = torch.addcmul(y, F.linear(y, level.noise), noise.unsqueeze(-1))
    for unit in level.units:
        y = _unit(y, unit, edges)
    return y


def _unit(x: Tensor, unit: UnitWeights, edges: Edges) -> Tensor:
    """x: [B, T, C] -> [B, T, C]"""
    look = reach(unit.dilation)
    steps = x.shape[1]
    x, mask = edges.around(x, look)
    if unit.depthwise:
        y = kernels.snake_conv(
            x, unit.before, unit.taps, unit.bias, unit.after, unit.dilation, mask
        )
    else:
        y = _masked(kernels.snake(x, unit.before), mask)
        y = kernels.snake(_over_time(y, unit.taps, unit.bias, unit.dilation), unit.after)
    return F.linear(y, unit.mix, unit.mix_bias).add_(x[:, look : look + steps])


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask.unsqueeze(-1)


def _over_time(x: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """A convolution as a product over its taps. x: [B, 6 * dilation + T, C] -> [B, T, C_out]"""
    steps = x.shape[1] - 2 * reach(dilation)
    shifted = [x[:, k * dilation : k * dilation + steps] for k in range(KERNEL)]
    if taps.shape[1] == KERNEL:  # depthwise
        y = torch.addcmul(bias, shifted[0], taps[:, 0])
        for k in range(1, KERNEL):
            y.addcmul_(shifted[k], taps[:, k])
        return y
    return F.linear(torch.cat(shifted, -1), taps, bias)


def _last(x: Tensor, taps: Tensor, bias: Tensor) -> Tensor:
    """The convolution to one channel, and tanh. x: [B, 6 + T, C], taps: [7, C] -> [B, T]

    All taps at all places first, then the sum along the diagonal: x is read once.
    """
    steps = x.shape[1] - 2 * reach(1)
    each = F.linear(x, taps)  # [B, 6 + T, 7]
    y = bias + each[:, :steps, 0]
    for k in range(1, KERNEL):
        y.add_(each[:, k : k + steps, k])
    return y.tanh_()
