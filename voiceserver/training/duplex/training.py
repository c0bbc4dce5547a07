"""Trains the duplex policy on shards of dialogues, measured in time; a stopped run goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.nn.duplex import DuplexPolicy, DuplexShape
from voiceserver.training.duplex.labels import labels
from voiceserver.training.duplex.shards import Shard, flat_events
from voiceserver.training.duplex.spoiling import spoiled
from voiceserver.training.schedule import Progress, Report, learning_rate_share
from voiceserver.training.steps import descend, follow, keep

BATCH_DIALOGUES = 32
CROP_WINDOWS = 470  # 15 s: more dialogues in a step than whole ones would be
PEAK_LEARNING_RATE = 2e-3
AVERAGE_DECAY = 0.995
OWN_LOSS_WEIGHT = 0.3
SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class Dialogues:
    """All dialogues with what should be answered after each window."""

    features: Tensor  # float16 [N, T, F]
    user: Tensor  # [N, T]
    own: Tensor  # [N, T]
    weight: Tensor  # [N, T]

    @classmethod
    def of(cls, shards: Sequence[Shard]) -> Dialogues:
        features = np.concatenate([shard.features for shard in shards])
        wanted = [labels(events, features.shape[1]) for events in flat_events(shards)]
        return cls(
            torch.from_numpy(features),
            torch.from_numpy(np.stack([w.user for w in wanted])),
            torch.from_numpy(np.stack([w.own for w in wanted])),
            torch.from_numpy(np.stack([w.weight for w in wanted])),
        )

    def __len__(self) -> int:
        return len(self.features)

    def picked(self, rows: Tensor, begin: int, end: int) -> Dialogues:
        """Some dialogues from window `begin` to `end`."""
        fields = (self.features, self.user, self.own, self.weight)
        return Dialogues(*(field[rows, begin:end] for field in fields))


def policy_losses(policy: DuplexPolicy, batch: Dialogues, features: Tensor) -> dict[str, Tensor]:
    """Weighted cross-entropies of both forecasts. features: [B, T, F]"""
    user, own, _ = policy(features, policy.state(len(features)))
    return {
        "user": _surprise(user, batch.user, batch.weight),
        "own": _surprise(own, batch.own, batch.weight),
    }


def _surprise(logits: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    each = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    return (each * weight.flatten()).sum() / weight.sum()


class PolicyTraining:
    """A run that can be stopped and gone on with: everything it needs is in its checkpoint."""

    def __init__(self, dialogues: Dialogues, shape: DuplexShape, seed: int) -> None:
        torch.manual_seed(seed)
        self.seed, self.dialogues = seed, dialogues
        self.policy = DuplexPolicy(shape).train()
        sample = dialogues.features[: 64 * BATCH_DIALOGUES].float().flatten(0, 1)
        self.policy.mean.copy_(sample.mean(0))
        self.policy.scale.copy_(sample.std(0).clamp_min(1e-2))
        self.average = DuplexPolicy(shape).eval()
        self.average.load_state_dict(self.policy.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.policy.parameters(), PEAK_LEARNING_RATE, weight_decay=0.05
        )
        self.spent_s, self.step = 0.0, 0

    def run(self, seconds: float, checkpoint: Path, on_progress: Report) -> DuplexPolicy:
        """Train until `seconds` are spent, earlier runs included; returns the averaged weights."""
        random = np.random.default_rng([self.seed, self.step])
        saved_s = self.spent_s
        while self.spent_s < seconds:
            begin_s = time.monotonic()
            losses = self._update(self._batch(random), self.spent_s / seconds)
            self.spent_s += time.monotonic() - begin_s
            on_progress(Progress(self.step, self.spent_s / seconds, losses))
            if self.spent_s - saved_s > SAVE_EVERY_S or self.spent_s >= seconds:
                saved_s = self.spent_s
                self.save(checkpoint)
        return self.average

    def _batch(self, random: np.random.Generator) -> Dialogues:
        count, windows = self.dialogues.user.shape
        rows = random.choice(count, min(BATCH_DIALOGUES, count), replace=False)
        begin = int(random.integers(0, max(1, windows - CROP_WINDOWS + 1)))
        return self.dialogues.picked(torch.from_numpy(rows), begin, begin + CROP_WINDOWS)

    def _update(self, batch: Dialogues, share: float) -> dict[str, float]:
        losses = policy_losses(self.policy, batch, spoiled(batch.features.float(), self.policy))
        rate = PEAK_LEARNING_RATE * learning_rate_share(share)
        descend(self.optimizer, self.policy, losses["user"] + OWN_LOSS_WEIGHT * losses["own"], rate)
        self.step += 1
        follow(self.average, self.policy, AVERAGE_DECAY, self.step)
        return {name: value.item() for name, value in losses.items()}

    def save(self, path: Path) -> None:
        state = {
            "policy": self.policy.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "counts": (self.spent_s, self.step),
        }
        keep(state, path)

    def restore(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.policy.load_state_dict(state["policy"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.spent_s, self.step = state["counts"]


@torch.no_grad()
def forecasts(policy: DuplexPolicy, features: Tensor) -> tuple[Tensor, Tensor]:
    """Logits for whole dialogues: float16 [N, T, F] -> [N, T, 6], [N, T, 5]."""
    parts = torch.split(features, 32)
    pairs = [policy(part.float(), policy.state(len(part)))[:2] for part in parts]
    return torch.cat([user for user, _ in pairs]), torch.cat([own for _, own in pairs])


def calibrated(policy: DuplexPolicy, held_out: Dialogues) -> DuplexPolicy:
    """The same policy with the temperatures that make held-out labels likeliest."""
    user, own = forecasts(policy, held_out.features)
    counted = held_out.weight > 0
    shape = replace(
        policy.shape,
        user_temperature=_temperature(user[counted], held_out.user[counted]),
        own_temperature=_temperature(own[counted], held_out.own[counted]),
    )
    cooled = DuplexPolicy(shape)
    cooled.load_state_dict(policy.state_dict())
    return cooled.eval().requires_grad_(False)


def _temperature(logits: Tensor, wanted: Tensor) -> float:
    """The best of a fine row of temperatures. logits: [N, classes], made at temperature 1"""
    tried = torch.linspace(0.5, 4.0, 71)
    losses = torch.stack([F.cross_entropy(logits / t, wanted) for t in tried])
    return round(float(tried[losses.argmin()]), 3)
