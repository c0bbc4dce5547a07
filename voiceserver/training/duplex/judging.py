"""Trains judges, and makes the features of sounds that those of sounds learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from voiceserver.engine.nano.recogniser import Recogniser
from voiceserver.nn.judges import Judge, Question, SoundQuestion, untrained
from voiceserver.training.duplex.sounds import Sound

Make = Callable[[np.random.Generator], Iterator[Sound]]

EPOCHS: Final = 16
BATCH: Final = 256
LEARNING_RATE: Final = 1e-3  # falls to nothing
WEIGHT_DECAY: Final = 0.05
SMOOTHING: Final = 0.03
NOISE: Final = 0.15  # of a feature's own deviation


@dataclass(frozen=True)
class Judged:
    """Features of many examples, and which class of the question each is."""

    features: NDArray[np.float32]  # [N, features]
    classes: NDArray[np.int64]  # [N]

    @classmethod
    def kept(cls, path: Path, make: Callable[[], Judged]) -> Judged:
        """What a file has, or else what is made and written there."""
        if not path.exists():
            new = make()
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, features=new.features, classes=new.classes)
            partial.rename(path)
        with np.load(path) as stored:
            return cls(stored["features"], stored["classes"].astype(np.int64))


def examples(
    question: SoundQuestion,
    make: Make,
    recogniser: Recogniser,
    count: int,
    seed: int,
    told: Callable[[int], None],
) -> Judged:
    """Sounds of `count` draws."""
    features, classes = [], []
    for number in range(count):
        for sound in make(np.random.default_rng([seed, number])):
            states = recogniser.states(question.pooling.to_encode(sound.samples))
            features.append(question.pooling.pooled(states, len(sound.samples)))
            classes.append(question.classes.index(sound.kind))
        told(number + 1)
    return Judged(np.stack(features), np.array(classes, np.int64))


def train(question: Question, judged: Judged, seed: int) -> Judge:
    """A judge with its features' means and deviations; the same examples give the same judge."""
    torch.manual_seed(seed)
    judge = untrained(question)
    features, classes = torch.from_numpy(judged.features), torch.from_numpy(judged.classes)
    deviation = features.std(0) + 1e-3
    judge.mean.copy_(features.mean(0))
    judge.scale.copy_(deviation)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    judge.train()
    for epoch in range(EPOCHS):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 - epoch / EPOCHS)
        for batch in torch.split(torch.randperm(len(features)), BATCH):
            noisy = features[batch] + NOISE * deviation * torch.randn(len(batch), len(deviation))
            loss = cross_entropy(judge(noisy), classes[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return judge.eval()


def measured(judge: Judge, held_out: Judged) -> str:
    """How each class of what was held out is judged: a table in Markdown."""
    found = judge.asked(torch.from_numpy(held_out.features)).numpy()
    lines = [
        f"| {judge.question.name} | heard | {judge.question.asked} >= 0.4 | >= 0.8 | <= 0.1 |",
        "|---|---|---|---|---|",
    ]
    for index, name in enumerate(judge.question.classes):
        of_class = found[held_out.classes == index]
        if len(of_class):
            shares = (of_class >= 0.4, of_class >= 0.8, of_class <= 0.1)
            percents = " | ".join(f"{100 * share.mean():.1f} %" for share in shares)
            lines.append(f"| {name} | {len(of_class)} | {percents} |")
    return "\n".join(lines)
