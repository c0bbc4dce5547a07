"""The vocoder: the HiFi-GAN of a Piper "medium" voice, computed causally so that it can stream.

It turns latents (86.13 Hz) into samples (22050 Hz). The published network looks to both sides;
here every layer waits for what it would have looked ahead to, so the sound is the same and comes
DELAY_SAMPLES later. Only the edges differ: outside the signal there are zero latents, not zero
activations.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voiceserver.clock import exact_div
from voiceserver.nn.streaming import Shape, Tape

LATENT_DIMS = 192
SAMPLE_RATE_HZ = 22050
TIME = 2  # time dimension of [B, C, T]
SLOPE = 0.1
LAST_SLOPE = 0.01


@dataclass(frozen=True)
class Upsampling:
    """One level: transposed convolution, then the mean of parallel residual blocks."""

    channels_in: int
    channels: int
    stride: int
    kernel: int

    @property
    def delay(self) -> int:
        """Samples of this level that a centred transposed convolution looks ahead."""
        return exact_div(self.kernel - self.stride, 2)


LEVELS = (Upsampling(256, 128, 8, 16), Upsampling(128, 64, 8, 16), Upsampling(64, 32, 4, 8))
BLOCKS = ((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))  # kernel, dilations of its two convolutions
EDGE_KERNEL = 7

HOP_SAMPLES = LEVELS[0].stride * LEVELS[1].stride * LEVELS[2].stride  # samples a latent


def _reach(kernel: int, dilation: int) -> int:
    """Samples a centred convolution looks to each side."""
    return exact_div((kernel - 1) * dilation, 2)


BLOCK_DELAYS = tuple(sum(_reach(kernel, d) for d in dilations) for kernel, dilations in BLOCKS)
BLOCKS_DELAY = max(BLOCK_DELAYS)


def _delay_samples() -> int:
    hop, delay = HOP_SAMPLES, _reach(EDGE_KERNEL, 1) * HOP_SAMPLES
    for level in LEVELS:
        hop //= level.stride
        delay += (level.delay + BLOCKS_DELAY) * hop
    return delay + _reach(EDGE_KERNEL, 1)


DELAY_SAMPLES = _delay_samples()


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, kernel: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d) for d in dilations
        )
        self.reaches = [_reach(kernel, d) for d in dilations]

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """x: [B, C, 2 * reaches[0] + T] -> [B, C, T], delayed by the sum of the reaches."""
        first, second = self.reaches
        y = self.convs[0](F.leaky_relu(x, SLOPE)) + x[..., first : x.shape[TIME] - first]
        y = tape.extend(y, TIME)
        return self.convs[1](F.leaky_relu(y, SLOPE)) + y[..., second : y.shape[TIME] - second]

    @property
    def context(self) -> int:
        return 2 * self.reaches[1]


class Level(nn.Module):
    def __init__(self, level: Upsampling) -> None:
        super().__init__()
        self.shape = level
        self.up = nn.ConvTranspose1d(level.channels_in, level.channels, level.kernel, level.stride)
        self.blocks = nn.ModuleList(ResidualBlock(level.channels, k, d) for k, d in BLOCKS)
        # Blocks with a shorter reach start from older samples, so that all three end together.
        self.waits = [BLOCKS_DELAY - delay for delay in BLOCK_DELAYS]
        self.context = max(
            wait + 2 * block.reaches[0] for wait, block in zip(self.waits, self.blocks, strict=True)
        )

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """x: [B, C_in, T] -> [B, C, T * stride]."""
        stride = self.shape.stride
        x = tape.extend(F.leaky_relu(x, SLOPE), TIME)
        y = self.up(x)[..., stride : stride * x.shape[TIME]]
        steps = y.shape[TIME]
        y = tape.extend(y, TIME)
        total: Tensor | float = 0.0
        for wait, block in zip(self.waits, self.blocks, strict=True):
            end = y.shape[TIME] - wait
            start = end - steps - 2 * block.reaches[0]
            total = total + block(y[..., start:end], tape)
        return total / len(self.blocks)  # type: ignore[return-value]

    def context_shapes(self) -> list[Shape]:
        channels = self.shape.channels
        return [
            (self.shape.channels_in, 1),
            (channels, self.context),
            *((channels, block.context) for block in self.blocks),
        ]


class HifiGan(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [LEVELS[0].channels_in, *(level.channels for level in LEVELS)]
        assert all(
            level.channels_in == w for level, (w, _) in zip(LEVELS, pairwise(widths), strict=True)
        )
        self.pre = nn.Conv1d(LATENT_DIMS, widths[0], EDGE_KERNEL)
        self.levels = nn.ModuleList(Level(level) for level in LEVELS)
        self.post = nn.Conv1d(widths[-1], 1, EDGE_KERNEL, bias=False)

    def forward(self, z: Tensor, tape: Tape) -> Tensor:
        """z: [B, LATENT_DIMS, T] -> samples [B, T * HOP_SAMPLES], late by DELAY_SAMPLES."""
        x = self.pre(tape.extend(z, TIME))
        for level in self.levels:
            x = level(x, tape)
        x = self.post(tape.extend(F.leaky_relu(x, LAST_SLOPE), TIME))
        return torch.tanh(x).squeeze(1)

    def context_shapes(self) -> list[Shape]:
        return [
            (LATENT_DIMS, EDGE_KERNEL - 1),
            *(shape for level in self.levels for shape in level.context_shapes()),
            (LEVELS[-1].channels, EDGE_KERNEL - 1),
        ]


def piper_name(name: str) -> str:
    """The name in the Piper graph of one of our parameters ("levels.1.blocks.2.convs.0.bias")."""
    part, *rest = name.split(".")
    if part != "levels":
        return f"dec.conv_{name}"
    level, kind, *tail = rest
    if kind == "up":
        return f"dec.ups.{level}.{tail[0]}"
    block = int(level) * len(BLOCKS) + int(tail[0])
    return f"dec.resblocks.{block}." + ".".join(tail[1:])
