"""Where in its utterance each row of each layer lies, for steps of one size.

The times of all layers of a step are affine in the number of latents a stream has taken in, so
masks and noise of a whole step are computed at once, and nothing of it is read on the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from voiceserver import kernels
from voiceserver.nn.snac.config import DILATIONS, SnacConfig, crop, reach


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of one layer: their times are rate * latents + offset, + 1, ..."""

    rate: int
    offset: int
    count: int


@dataclass(frozen=True)
class Line:
    """What a layer keeps of its past from step to step."""

    context: int  # rows
    channels: int


@dataclass(frozen=True)
class Layout:
    """A step of `latents` latents through the delayed layers, in the order they run."""

    lines: tuple[Line, ...]
    padded: tuple[Rows, ...]  # input rows of each line's layer, its past first
    noisy: tuple[Rows, ...]  # rows that get noise, a level each

    @classmethod
    def of(cls, config: SnacConfig, latents: int) -> Layout:
        lines, padded, noisy = [], [], []
        rate, delay = 1, 0

        def layer(context: int, channels: int) -> None:
            lines.append(Line(context, channels))
            padded.append(Rows(rate, -delay - context, context + rate * latents))

        layer(2 * reach(1), config.latent_dim)
        delay += reach(1)
        for stride, source, width in zip(
            config.decoder_rates, config.widths, config.widths[1:], strict=False
        ):
            layer(1, source)
            rate, delay = rate * stride, delay * stride + crop(stride)
            noisy.append(Rows(rate, -delay, rate * latents))
            for dilation in DILATIONS:
                layer(2 * reach(dilation), width)
                delay += reach(dilation)
        layer(2 * reach(1), config.widths[-1])
        assert delay + reach(1) == config.delay_samples, (delay, config.delay_samples)
        return cls(tuple(lines), tuple(padded), tuple(noisy))

    @property
    def warm_latents(self) -> int:
        """Latents a stream has taken in when no row of a step lies before its beginning."""
        return max(-(rows.offset // rows.rate) for rows in self.padded)


class Plan:
    """The rows' times as tensors on one device."""

    def __init__(
        self, padded: tuple[Rows, ...], noisy: tuple[Rows, ...], device: torch.device
    ) -> None:
        self._mask_sizes = [rows.count for rows in padded]
        self._mask_rates, self._mask_offsets, _ = _flat(padded, device)
        self._noise_sizes = [rows.count for rows in noisy]
        self._noise_rates, self._noise_offsets, self._noise_stages = _flat(noisy, device)

    @classmethod
    def streamed(cls, layout: Layout, device: torch.device) -> Plan:
        return cls(layout.padded, layout.noisy, device)

    @classmethod
    def whole(cls, config: SnacConfig, latents: int, device: torch.device) -> Plan:
        """Nothing is delayed and nothing masked."""
        rates = torch.tensor(config.decoder_rates).cumprod(0).tolist()
        return cls((), tuple(Rows(rate, 0, rate * latents) for rate in rates), device)

    def masks(self, latents: Tensor, ends: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """Of each padded layer's rows, 1 where they lie in the utterance: [B, rows] each.

        latents, ends: [B], int64: latents taken in before this step, and of the whole utterance.
        """
        times = latents[:, None] * self._mask_rates + self._mask_offsets
        inside = (times >= 0) & (times < ends[:, None] * self._mask_rates)
        return torch.split(inside.to(dtype), self._mask_sizes, 1)

    def noise(self, seeds: Tensor, latents: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """The noise of each level. seeds, latents: [B], int64 -> [B, rows] each"""
        times = latents[:, None] * self._noise_rates + self._noise_offsets
        drawn = kernels.normal_noise(seeds, self._noise_stages, times)
        return torch.split(drawn.to(dtype), self._noise_sizes, 1)


def _flat(groups: tuple[Rows, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Rate, offset and group index of every row, one after the other: [rows] each."""
    empty = torch.empty(0, dtype=torch.int64)
    rates = [torch.full((rows.count,), rows.rate) for rows in groups]
    offsets = [torch.arange(rows.offset, rows.offset + rows.count) for rows in groups]
    indices = [torch.full((rows.count,), index) for index, rows in enumerate(groups)]
    parts = (torch.cat([empty, *part]).to(device) for part in (rates, offsets, indices))
    a, b, c = parts
    return a, b, c
