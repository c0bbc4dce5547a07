"""The vocoder: the HiFi-GAN of a Piper "medium" voice, computed causally so that it can stream.

It turns latents (86.13 Hz) into samples (22050 Hz). The published network looks to both sides;
here every layer waits for what it would have looked ahead to, so the sound is the same and comes
DELAY_SAMPLES later. Only the edges differ: outside the signal there are zero latents, not zero
activations. Every convolution is one matrix product over shifted frames, twice as fast here as
the library's convolutions on the few frames of a step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voiceserver.clock import exact_div
from voiceserver.nn.streaming import Shape, Tape

LATENT_DIMS = 192
SAMPLE_RATE_HZ = 22050
TIME = 1  # time dimension of [B, T, C]
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


class Convolution(nn.Module):
    """Dilated convolution without padding, as a matrix product over its taps."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int, dilation: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.taps = nn.Linear(kernel * channels_in, channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, (kernel - 1) * dilation + T, C_in] -> [B, T, C]."""
        batch, length, channels = x.shape
        steps = length - (self.kernel - 1) * self.dilation
        row, step, one = x.stride()
        views = x.as_strided(
            (batch, steps, self.kernel, channels),
            (row, step, self.dilation * step, one),
            x.storage_offset(),
        )
        y: Tensor = self.taps(views.reshape(batch, steps, self.kernel * channels))
        return y


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, kernel: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        first, second = dilations
        self.first = Convolution(channels, channels, kernel, first)
        self.second = Convolution(channels, channels, kernel, second)
        self.reach = _reach(kernel, first)
        self.second_reach = _reach(kernel, second)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """x: [B, 2 * reach + T, C] -> [B, T, C], delayed by both reaches."""
        y = self.first(F.leaky_relu(x, SLOPE)) + _centre(x, self.reach)
        y = tape.extend(y, TIME)
        z: Tensor = self.second(F.leaky_relu(y, SLOPE)) + _centre(y, self.second_reach)
        return z


def _centre(x: Tensor, reach: int) -> Tensor:
    return x[:, reach : x.shape[TIME] - reach]


class Level(nn.Module):
    def __init__(self, level: Upsampling) -> None:
        super().__init__()
        assert level.kernel == 2 * level.stride, level
        self.channels_in, self.channels = level.channels_in, level.channels
        # A transposed convolution: each input and the one before it make `stride` outputs.
        self.up = nn.Linear(2 * level.channels_in, level.stride * level.channels)
        blocks = [ResidualBlock(level.channels, *block) for block in BLOCKS]
        # Blocks with a shorter reach start from older samples, so that all three end together.
        self.waits = [BLOCKS_DELAY - delay for delay in BLOCK_DELAYS]
        contexts = [wait + 2 * b.reach for wait, b in zip(self.waits, blocks, strict=True)]
        self.context = max(contexts)
        self.block_contexts = [2 * block.second_reach for block in blocks]
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """x: [B, T, C_in] -> [B, T * stride, C]."""
        x = tape.extend(F.leaky_relu(x, SLOPE), TIME)
        y = self.up(torch.cat([x[:, :-1], x[:, 1:]], -1))
        y = y.reshape(len(y), -1, self.channels)
        steps = y.shape[TIME]
        y = tape.extend(y, TIME)
        total = torch.zeros(())
        for wait, block in zip(self.waits, self.blocks, strict=True):
            assert isinstance(block, ResidualBlock)
            end = y.shape[TIME] - wait
            start = end - steps - 2 * block.reach
            total = total + block(y[:, start:end], tape)
        return total / len(self.blocks)

    def context_shapes(self) -> list[Shape]:
        return [
            (1, self.channels_in),
            (self.context, self.channels),
            *((context, self.channels) for context in self.block_contexts),
        ]


class HifiGan(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [LEVELS[0].channels_in, *(level.channels for level in LEVELS)]
        assert [level.channels_in for level in LEVELS] == widths[:-1]
        self.pre = Convolution(LATENT_DIMS, widths[0], EDGE_KERNEL)
        self.levels = nn.ModuleList(Level(level) for level in LEVELS)
        self.post = Convolution(widths[-1], 1, EDGE_KERNEL, bias=False)

    def forward(self, z: Tensor, tape: Tape) -> Tensor:
        """z: [B, T, LATENT_DIMS] -> samples [B, T * HOP_SAMPLES], late by DELAY_SAMPLES."""
        x = self.pre(tape.extend(z, TIME))
        for level in self.levels:
            x = level(x, tape)
        x = self.post(tape.extend(F.leaky_relu(x, LAST_SLOPE), TIME))
        return torch.tanh(x).squeeze(2)

    def context_shapes(self) -> list[Shape]:
        edge = EDGE_KERNEL - 1
        shapes: list[Shape] = [(edge, LATENT_DIMS)]
        for level in self.levels:
            assert isinstance(level, Level)
            shapes += level.context_shapes()
        return [*shapes, (edge, LEVELS[-1].channels)]
