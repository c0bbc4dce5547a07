"""The codec: seven latents of the teacher <-> one frame of small integers (scalar quantiser).

A frame is `heads` codes of `head_dims` digits each, and every digit is a rounded number, so a code
that is almost right sounds almost right; a talker can predict it digit by digit. Without noise the
teacher's 192 latent dimensions move in a space of about 16, so the networks work on principal
components. The encoder looks ahead and is for training only; the decoder is causal and streams.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voiceserver.clock import exact_div
from voiceserver.nn.hifigan import HOP_SAMPLES, LATENT_DIMS, SAMPLE_RATE_HZ
from voiceserver.nn.streaming import Shape, Tape

FRAME_LATENTS = 7
FRAME_SAMPLES = FRAME_LATENTS * HOP_SAMPLES  # 1792
FRAME_HZ = SAMPLE_RATE_HZ / FRAME_SAMPLES  # 12.30
LATENT_HZ = SAMPLE_RATE_HZ / HOP_SAMPLES  # 86.13
TIME = 1  # time dimension of [B, T, C]


@dataclass(frozen=True)
class CodecShape:
    heads: int = 8
    head_dims: int = 4  # digits a head
    levels: int = 5  # values a digit; a head has levels ** head_dims codes
    components: int = 16  # principal components of a latent: all but 0.2 % of its variance
    width: int = 256
    blocks: int = 3
    kernel: int = 3

    @property
    def dims(self) -> int:
        return self.heads * self.head_dims

    @property
    def frame_components(self) -> int:
        return FRAME_LATENTS * self.components

    @property
    def codes(self) -> int:
        """Codes of one head."""
        return int(self.levels**self.head_dims)

    @property
    def top(self) -> int:
        """Digits run from -top to top."""
        return exact_div(self.levels - 1, 2)


class Shifted(nn.Module):
    """A convolution over time as one matrix product over shifted frames (faster on a CPU)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.linear = nn.Linear(width * kernel, width)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, T + kernel - 1, C] -> [B, T, C]."""
        steps = x.shape[TIME] - self.kernel + 1
        y: Tensor = self.linear(torch.cat([x[:, k : k + steps] for k in range(self.kernel)], -1))
        return y


class Block(nn.Module):
    """Pre-norm residual block; the caller provides the frames around `x`."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = Shifted(width, kernel)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, start: int) -> Tensor:
        """x: [B, T + kernel - 1, C], of which x[:, start : start + T] is updated."""
        steps = x.shape[TIME] - self.mix.kernel + 1
        update: Tensor = self.out(F.gelu(self.mix(self.norm(x))))
        return x[:, start : start + steps] + update


class Encoder(nn.Module):
    """Frames of principal components -> digits before bounding; looks to both sides."""

    def __init__(self, shape: CodecShape) -> None:
        super().__init__()
        self.side = exact_div(shape.kernel - 1, 2)
        self.enter = nn.Linear(shape.frame_components, shape.width)
        self.blocks = nn.ModuleList(Block(shape.width, shape.kernel) for _ in range(shape.blocks))
        self.leave = nn.Linear(shape.width, shape.dims)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: [B, F, frame_components] -> [B, F, dims]."""
        x: Tensor = self.enter(frames)
        for block in self.blocks:
            x = block(F.pad(x, (0, 0, self.side, self.side)), self.side)
        digits: Tensor = self.leave(x)
        return digits


class Decoder(nn.Module):
    """Digits -> frames of principal components; causal: hangs on this and earlier frames only."""

    def __init__(self, shape: CodecShape) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(shape.dims, shape.width)
        self.blocks = nn.ModuleList(Block(shape.width, shape.kernel) for _ in range(shape.blocks))
        self.leave = nn.Linear(shape.width, shape.frame_components)

    def forward(self, digits: Tensor, tape: Tape) -> Tensor:
        """digits: [B, F, dims] in -1..1 -> [B, F, frame_components]."""
        x: Tensor = self.enter(digits)
        for block in self.blocks:
            x = block(tape.extend(x, TIME), self.shape.kernel - 1)
        frames: Tensor = self.leave(x)
        return frames

    def context_shapes(self) -> list[Shape]:
        return [(self.shape.kernel - 1, self.shape.width)] * self.shape.blocks


class Codec(nn.Module):
    mean: Tensor
    std: Tensor
    basis: Tensor

    def __init__(self, shape: CodecShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        self.register_buffer("mean", torch.zeros(LATENT_DIMS))
        self.register_buffer("std", torch.ones(LATENT_DIMS))
        self.register_buffer("basis", torch.zeros(LATENT_DIMS, shape.components))

    def fit_components(self, latents: Tensor) -> None:
        """latents: [T, LATENT_DIMS]; standardises them and finds their principal components."""
        self.mean.copy_(latents.mean(0))
        self.std.copy_(latents.std(0))
        standard = (latents - self.mean) / self.std
        _, vectors = torch.linalg.eigh(standard.T @ standard)
        self.basis.copy_(vectors.flip(1)[:, : self.shape.components])

    def frames(self, z: Tensor) -> Tensor:
        """z: [B, F * FRAME_LATENTS, LATENT_DIMS] -> its components [B, F, frame_components]."""
        components = ((z - self.mean) / self.std) @ self.basis
        return components.reshape(len(z), -1, self.shape.frame_components)

    def latents(self, frames: Tensor) -> Tensor:
        """The inverse of `frames`, up to the components that were left out."""
        components = frames.reshape(len(frames), -1, self.shape.components)
        return (components @ self.basis.T) * self.std + self.mean

    def encode(self, frames: Tensor) -> Tensor:
        """frames: [B, F, frame_components] -> the digits before rounding, in -top..top."""
        unbounded: Tensor = self.encoder(frames)
        return self.shape.top * torch.tanh(unbounded)

    def decode(self, digits: Tensor, tape: Tape) -> Tensor:
        """digits: [B, F, dims] in -top..top -> [B, F, frame_components]."""
        frames: Tensor = self.decoder(digits / self.shape.top, tape)
        return frames
