"""Trains the codec on the teacher's latents: squared error through a rounding quantiser.

No adversary and no spectral loss: the pretrained vocoder makes the sound, the codec only has to
keep the latents.
"""

import time
from pathlib import Path

import torch
from torch import Tensor

from voiceserver.nn.codec import FRAME_LATENTS, Codec, CodecShape
from voiceserver.nn.streaming import Tape, zero_contexts
from voiceserver.training.schedule import Progress, Report, learning_rate_share
from voiceserver.training.steps import descend, keep

BATCH_SEQUENCES = 32
SEQUENCE_FRAMES = 32
SEQUENCE_LATENTS = SEQUENCE_FRAMES * FRAME_LATENTS
PEAK_LEARNING_RATE = 1.5e-3
ABSOLUTE_ERROR_WEIGHT = 0.3
EVALUATION_SEQUENCES = 64
COMPONENT_LATENTS = 200_000  # at most, to find the principal components from
SAVE_EVERY_S = 60.0


class CodecTraining:
    """A run that can be stopped and gone on with: everything it needs is in its checkpoint."""

    def __init__(self, latents: Tensor, shape: CodecShape, seed: int, device: torch.device) -> None:
        """latents: [T, LATENT_DIMS]; the last sequences are for evaluation only."""
        torch.manual_seed(seed)
        self.latents, self.seed, self.device = latents, seed, device
        self.codec = Codec(shape)
        every = -(-len(latents) // COMPONENT_LATENTS)
        self.codec.fit_components(latents[::every].float())
        self.codec.to(device)
        self.optimizer = torch.optim.AdamW(
            self.codec.parameters(), PEAK_LEARNING_RATE, weight_decay=0.01
        )
        self.spent_s, self.step = 0.0, 0

    def run(self, seconds: float, checkpoint: Path, on_progress: Report) -> Codec:
        """Train until `seconds` are spent, earlier runs included."""
        generator = torch.Generator().manual_seed(self.seed + self.step)
        saved_s = self.spent_s
        while self.spent_s < seconds:
            begin_s = time.monotonic()
            loss = self._update(self._sequences(generator), self.spent_s / seconds)
            self.spent_s += time.monotonic() - begin_s
            on_progress(Progress(self.step, self.spent_s / seconds, {"error": loss}))
            if self.spent_s - saved_s > SAVE_EVERY_S or self.spent_s >= seconds:
                saved_s = self.spent_s
                self.save(checkpoint)
        return self.codec.eval()

    def _update(self, z: Tensor, share: float) -> float:
        loss = reconstruction_loss(self.codec, self.codec.frames(z.to(self.device)))
        rate = PEAK_LEARNING_RATE * learning_rate_share(share)
        descend(self.optimizer, self.codec, loss, rate)
        self.step += 1
        return loss.item()

    def _sequences(self, generator: torch.Generator) -> Tensor:
        """A batch of random stretches: [B, SEQUENCE_LATENTS, LATENT_DIMS]."""
        last = len(self.latents) - (EVALUATION_SEQUENCES + 1) * SEQUENCE_LATENTS
        starts = torch.randint(0, last, (BATCH_SEQUENCES, 1), generator=generator)
        return self.latents[starts + torch.arange(SEQUENCE_LATENTS)].float()

    def save(self, path: Path) -> None:
        state = {
            "codec": self.codec.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "counts": (self.spent_s, self.step),
        }
        keep(state, path)

    def restore(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.codec.load_state_dict(state["codec"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.spent_s, self.step = state["counts"]


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
    codec = codec.cpu()
    z = latents[-EVALUATION_SEQUENCES * SEQUENCE_LATENTS :].float()
    z = z.reshape(EVALUATION_SEQUENCES, SEQUENCE_LATENTS, -1)
    tape = Tape(zero_contexts(codec.decoder.context_shapes(), len(z)))
    decoded = codec.latents(codec.decode(codec.encode(codec.frames(z)).round(), tape))
    error = (decoded - z) / codec.std
    return error[:, 2 * FRAME_LATENTS :].square().mean().item()
