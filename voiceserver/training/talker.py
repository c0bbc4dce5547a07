"""Trains the talker on the codec's digits of the teacher's speech.

What makes it work with hours of speech instead of thousands: the talker is told the timed phonemes,
digits are ordered numbers with softened targets, and the fed-back digits are corrupted, because at
run time they are its own.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.nn.codec import Codec
from voiceserver.nn.pronunciation_encoder import log_duration
from voiceserver.nn.streaming import Tape, zero_contexts
from voiceserver.nn.talker import Talker, TalkerShape
from voiceserver.training.corpus import Corpus
from voiceserver.training.schedule import Progress, Report, learning_rate_share
from voiceserver.training.sequences import Batch, Packer
from voiceserver.training.steps import descend, follow, keep

BATCH_SEQUENCES = 4  # small: many steps matter more than smooth ones in an hour on a CPU
MOST_FRAMES = 160  # 13 s
PEAK_LEARNING_RATE = 1.5e-3
AVERAGE_DECAY = 0.998  # of the weights that are kept
TARGET_SPREAD = 0.4  # digits; width of the softened targets
UNROUNDED_WEIGHT = 0.5
DURATION_WEIGHT = 0.3
MOST_NUDGED = 0.5  # share of fed-back digits moved by one, at most
FORGOTTEN_STEPS = 0.15  # share of steps that are told nothing of the step before
EVALUATION_SENTENCES = 96
SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class Losses:
    digits: Tensor  # cross-entropy above the targets' own entropy
    unrounded: Tensor  # squared error in digits
    duration: Tensor  # squared error of log latents

    def total(self) -> Tensor:
        weighted = UNROUNDED_WEIGHT * self.unrounded + DURATION_WEIGHT * self.duration
        return self.digits + weighted


def target_digits(codec: Codec, batch: Batch, shape: TalkerShape) -> tuple[Tensor, Tensor]:
    """What the heads should say at every step, before rounding: [B, S, dims], and where: bool."""
    with torch.no_grad():
        digits = codec.encode(codec.frames(batch.latents))
    frames, dims = digits.shape[1:]
    steps = frames + shape.longest_delay
    delays = torch.tensor(shape.digit_delays(), device=digits.device)
    frame = torch.arange(steps, device=digits.device)[:, None] - delays  # [S, dims]
    said = (frame >= 0) & (frame < batch.frames[:, None, None])
    index = frame.clamp(0, frames - 1).expand(len(digits), steps, dims)
    return digits.gather(1, index), said


def fed_back(targets: Tensor, said: Tensor, shape: TalkerShape) -> Tensor:
    """The step before's digits as classes [B, S, dims], corrupted as the talker's own would be."""
    top = shape.codec.top
    nudged = torch.rand(len(targets), 1, 1, device=targets.device) * MOST_NUDGED
    nudge = torch.randint(0, 2, targets.shape, device=targets.device) * 2 - 1
    moved = torch.rand(targets.shape, device=targets.device) < nudged
    classes = (targets.round() + nudge * moved).clamp(-top, top).long() + top
    forgotten = torch.rand(targets.shape[:2], device=targets.device) < FORGOTTEN_STEPS
    classes = classes.masked_fill(~said | forgotten[..., None], shape.no_digit)
    return F.pad(classes[:, :-1], (0, 0, 1, 0), value=shape.no_digit)


def talker_losses(talker: Talker, codec: Codec, batch: Batch) -> Losses:
    shape = talker.shape
    targets, said = target_digits(codec, batch, shape)
    encodings, log_latents = talker.pronunciation(batch.symbols)
    cues = talker.cues.per_frame(talker.cues.per_latent(encodings, batch.cues))
    contexts = zero_contexts(talker.context_shapes(), len(targets))
    tape = Tape([context.to(targets.device) for context in contexts])
    logits, unrounded = talker(cues, fed_back(targets, said, shape), tape)

    levels = torch.arange(-shape.codec.top, shape.codec.top + 1, device=targets.device)
    away = (targets[..., None] - levels).square() / (2 * TARGET_SPREAD**2)
    wanted = torch.softmax(-away, -1)
    entropy = -(wanted * wanted.clamp_min(1e-9).log()).sum(-1)
    surprise = -(wanted * logits.log_softmax(-1)).sum(-1) - entropy
    timed = batch.durations > 0
    log_error = log_latents - log_duration(batch.durations)
    return Losses(
        digits=surprise[said].mean(),
        unrounded=(unrounded - targets).square()[said].mean(),
        duration=log_error.square()[timed].mean(),
    )


class TalkerTraining:
    """A run that can be stopped and gone on with: everything it needs is in its checkpoint."""

    def __init__(
        self, corpus: Corpus, codec: Codec, shape: TalkerShape, seed: int, device: torch.device
    ) -> None:
        torch.manual_seed(seed)
        self.device, self.seed, self.shape = device, seed, shape
        self.codec = codec.to(device).eval()
        self.talker = Talker(shape).to(device)
        self.average = Talker(shape).to(device).eval()
        self.average.load_state_dict(self.talker.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.talker.parameters(),
            PEAK_LEARNING_RATE,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        self.packer = Packer(corpus, MOST_FRAMES, shape.longest_delay)
        self.spent_s, self.step, self.epoch = 0.0, 0, 0

    def run(self, seconds: float, checkpoint: Path, on_progress: Report) -> Talker:
        """Train until `seconds` are spent, earlier runs included; returns the averaged weights."""
        trained = np.arange(self.packer.sentences() - EVALUATION_SENTENCES)
        saved_s = self.spent_s
        while self.spent_s < seconds:
            rng = np.random.default_rng([self.seed, self.epoch])
            for batch in self.packer.batches(trained, BATCH_SEQUENCES, rng):
                begin_s = time.monotonic()
                losses = self._update(batch.to(self.device), self.spent_s / seconds)
                self.spent_s += time.monotonic() - begin_s
                on_progress(Progress(self.step, self.spent_s / seconds, losses))
                if self.spent_s - saved_s > SAVE_EVERY_S or self.spent_s >= seconds:
                    saved_s = self.spent_s
                    self.save(checkpoint)
                if self.spent_s >= seconds:
                    break
            self.epoch += 1
        return self.average

    def _update(self, batch: Batch, share: float) -> dict[str, float]:
        losses = talker_losses(self.talker, self.codec, batch)
        rate = PEAK_LEARNING_RATE * learning_rate_share(share)
        descend(self.optimizer, self.talker, losses.total(), rate)
        self.step += 1
        follow(self.average, self.talker, AVERAGE_DECAY, self.step)
        return {name: value.item() for name, value in vars(losses).items()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Losses of the averaged weights on sentences that were not trained on."""
        rng = np.random.default_rng(0)
        torch.manual_seed(0)
        last = np.arange(self.packer.sentences())[-EVALUATION_SENTENCES:]
        totals: dict[str, list[float]] = {}
        for batch in self.packer.batches(last, BATCH_SEQUENCES, rng):
            losses = talker_losses(self.average, self.codec, batch.to(self.device))
            for name, value in vars(losses).items():
                totals.setdefault(name, []).append(value.item())
        return {name: sum(values) / len(values) for name, values in totals.items()}

    def save(self, path: Path) -> None:
        state = {
            "shape": asdict(self.shape),
            "talker": self.talker.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "counts": (self.spent_s, self.step, self.epoch),
        }
        keep(state, path)

    def restore(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.talker.load_state_dict(state["talker"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.spent_s, self.step, self.epoch = state["counts"]
