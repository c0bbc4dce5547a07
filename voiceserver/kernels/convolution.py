"""The first half of a SNAC residual unit in one pass: Snake, mask, depthwise convolution, Snake.

    y[b, t, c] = snake(bias[c] + sum_k taps[c, k] * mask[b, t + k d] * snake(x[b, t + k d, c]))

`x` comes with the samples around it that the seven taps reach, d apart, so T is 6 d less than its
length. The mask comes after the first Snake: outside an utterance are zeros, as padding puts there.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.kernels import activation
from voiceserver.kernels.language import jit, power_of_2, tl

TAPS: Final = 7


def naive(
    x: Tensor,
    before: Tensor,
    taps: Tensor,
    bias: Tensor,
    after: Tensor,
    dilation: int,
    mask: Tensor | None,
) -> Tensor:
    """x: [B, 6 * dilation + T, C], before, after: [2, C] each, taps: [C, 7], bias: [C],
    mask: [B, 6 * dilation + T] or None for all ones -> [B, T, C]"""
    y = activation.naive(x, before)
    if mask is not None:
        y.mul_(mask.unsqueeze(-1))
    on_one_dnn = y.dtype == torch.float32 and y.device.type == "cpu"
    convolved = _as_picture if on_one_dnn else _as_sum
    return activation.naive(convolved(y, taps, bias, dilation), after)


def _as_picture(x: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """A picture one pixel high with its channels innermost, as oneDNN's depthwise kernels like it:
    on a CPU nearly twice as fast as with time innermost, or as the sum of shifted products."""
    picture = x.transpose(1, 2).unsqueeze(2)  # [B, C, 1, T]
    kernel = taps.view(-1, 1, 1, TAPS)
    y = F.conv2d(picture, kernel, bias, dilation=(1, dilation), groups=len(taps))
    return y.squeeze(2).transpose(1, 2)


def _as_sum(x: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """Without a library: oneDNN has no float64, and cuDNN would round to TF32."""
    steps = x.shape[1] - (TAPS - 1) * dilation
    y = torch.addcmul(bias, x[:, :steps], taps[:, 0])
    for k in range(1, TAPS):
        y.addcmul_(x[:, k * dilation : k * dilation + steps], taps[:, k])
    return y


def fused(
    x: Tensor,
    before: Tensor,
    taps: Tensor,
    bias: Tensor,
    after: Tensor,
    dilation: int,
    mask: Tensor | None,
) -> Tensor:
    """As `naive`: a program takes some channels of some samples of one stream."""
    batch, length, channels = x.shape
    steps = length - (TAPS - 1) * dilation
    assert x.is_contiguous(), "channels must lie innermost"
    assert taps.is_contiguous(), "taps must lie innermost"
    assert mask is None or mask.stride(1) == 1, "a stream's mask must lie together"
    y = torch.empty(batch, steps, channels, dtype=x.dtype, device=x.device)
    lanes = min(_LANES, power_of_2(channels))
    rows = min(_BLOCK_NUMBERS // lanes, power_of_2(steps))
    _snake_conv_kernel[(-(-steps // rows), -(-channels // lanes), batch)](
        x,
        before,
        taps,
        bias,
        after,
        x if mask is None else mask,
        y,
        length,
        steps,
        0 if mask is None else mask.stride(0),
        DILATION=dilation,
        HAS_MASK=mask is not None,
        CHANNELS=channels,
        ROWS=rows,
        LANES=lanes,
    )
    return y


_LANES = 64
_BLOCK_NUMBERS = 1024  # numbers a program makes


@jit
def _snake_conv_kernel(
    x_pointer: tl.tensor,
    before_pointer: tl.tensor,
    taps_pointer: tl.tensor,
    bias_pointer: tl.tensor,
    after_pointer: tl.tensor,
    mask_pointer: tl.tensor,
    y_pointer: tl.tensor,
    length: tl.tensor,
    steps: tl.tensor,
    mask_stride: tl.tensor,
    DILATION: tl.constexpr,
    HAS_MASK: tl.constexpr,
    CHANNELS: tl.constexpr,
    ROWS: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    stream = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    lane = tl.program_id(1) * LANES + tl.arange(0, LANES)
    here = lane < CHANNELS
    inside = (row < steps)[:, None] & here[None, :]
    alpha = tl.load(before_pointer + lane, here, 0.0)[None, :]
    inverse = tl.load(before_pointer + CHANNELS + lane, here, 0.0)[None, :]
    total = tl.zeros((ROWS, LANES), tl.float32)
    for k in tl.static_range(7):
        time = row + k * DILATION
        at = (stream * length + time)[:, None] * CHANNELS + lane[None, :]
        x = tl.load(x_pointer + at, inside, 0.0)
        sine = tl.sin(x * alpha)
        value = x + sine * sine * inverse
        if HAS_MASK:
            value *= tl.load(mask_pointer + stream * mask_stride + time, row < steps, 0.0)[:, None]
        total += value * tl.load(taps_pointer + lane * 7 + k, here, 0.0)[None, :]
    total += tl.load(bias_pointer + lane, here, 0.0)[None, :]
    alpha = tl.load(after_pointer + lane, here, 0.0)[None, :]
    inverse = tl.load(after_pointer + CHANNELS + lane, here, 0.0)[None, :]
    sine = tl.sin(total * alpha)
    at = (stream * steps + row)[:, None] * CHANNELS + lane[None, :]
    tl.store(y_pointer + at, total + sine * sine * inverse, inside)
