"""Trains the codec on the teacher's latents: squared error through a rounding quantiser.

No adversary and no spectral loss: the pretrained vocoder makes the sound, the codec only has to
keep the latents.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceserver.nn.codec import FRAME_LATENTS, Codec, CodecShape
from voiceserver.nn.streaming import Tape, zero_contexts

BATCH_SEQUENCES = 32
SEQUENCE_FRAMES = 32
PEAK_LEARNING_RATE = 1.5e-3
WARM_UP_SHARE = 0.03
ABSOLUTE_ERROR_WEIGHT = 0.3
EVALUATION_SEQUENCES = 64


@dataclass(frozen=True)
class Progress:
    step: int
    share: float  # of the time that is to be spent
    loss: float


def train_codec(
    latents: Tensor,
    shape: CodecShape,
    seconds: float,
    seed: int,
    device: torch.device,
    on_progress: Callable[[Progress], None],
) -> Codec:
    """latents: [T, LATENT_DIMS]; its last sequences are for evaluation only."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    codec = Codec(shape)
    codec.fit_components(latents[:: max(1, len(latents) // 200_000)].float())
    codec.to(device).train()
    optimizer = torch.optim.AdamW(codec.parameters(), PEAK_LEARNING_RATE, weight_decay=0.01)
    start_s, step, share = time.monotonic(), 0, 0.0
    last = len(latents) - EVALUATION_SEQUENCES * SEQUENCE_FRAMES * FRAME_LATENTS
    while share < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = PEAK_LEARNING_RATE * learning_rate_share(share)
        z = _sequences(latents, last, generator).to(device)
        loss = reconstruction_loss(codec, codec.frames(z))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimizer.step()
        step += 1
        share = (time.monotonic() - start_s) / seconds
        on_progress(Progress(step, share, loss.item()))
    return codec.eval()


def learning_rate_share(share: float) -> float:
    """Linear warm-up, then half a cosine to nothing, over the share of the work done."""
    if share < WARM_UP_SHARE:
        return share / WARM_UP_SHARE + 0.01
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def rounded(digits: Tensor) -> Tensor:
    """Rounds; the gradient passes as if it had not."""
    return digits + (digits.round() - digits).detach()


def reconstruction_loss(codec: Codec, frames: Tensor) -> Tensor:
    """frames: [B, F, frame_components] -> mean error over the components of a standard latent.

    Half of the sequences are rounded; the others get noise of a digit's width instead, which has a
    gradient and keeps the encoder from using the outermost digits alone.
    """
    digits = codec.encode(frames)
    noisy = digits + torch.rand_like(digits) - 0.5
    digits = torch.cat([rounded(digits[::2]), noisy[1::2]])
    frames = torch.cat([frames[::2], frames[1::2]])
    tape = Tape([c.to(frames) for c in zero_contexts(codec.decoder.context_shapes(), len(frames))])
    error = codec.decode(digits, tape) - frames
    return error.square().mean() + ABSOLUTE_ERROR_WEIGHT * error.abs().mean()


@torch.inference_mode()
def evaluate(codec: Codec, latents: Tensor) -> float:
    """Mean squared error of a latent, normalised by its dimensions' variances."""
    span = SEQUENCE_FRAMES * FRAME_LATENTS
    z = latents[-EVALUATION_SEQUENCES * span :].float().reshape(EVALUATION_SEQUENCES, span, -1)
    tape = Tape(zero_contexts(codec.decoder.context_shapes(), len(z)))
    decoded = codec.latents(codec.decode(codec.encode(codec.frames(z)).round(), tape))
    return ((decoded - z) / codec.std)[:, 2 * FRAME_LATENTS :].square().mean().item()


def _sequences(latents: Tensor, last: int, generator: torch.Generator) -> Tensor:
    """A batch of random stretches: [B, SEQUENCE_FRAMES * FRAME_LATENTS, LATENT_DIMS]."""
    span = SEQUENCE_FRAMES * FRAME_LATENTS
    starts = torch.randint(0, last - span, (BATCH_SEQUENCES, 1), generator=generator)
    return latents[starts + torch.arange(span)].float()
