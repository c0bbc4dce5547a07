"""Trains the judges of sounds on pooled states of Whisper's encoder."""

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
from voiceserver.nn.judges import Judge, Question
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
    """Features of many sounds, and which class of the question each is."""

    features: NDArray[np.float32]  # [N, features]
    classes: NDArray[np.int64]  # [N]


def examples(
    question: Question,
    make: Make,
    recogniser: Recogniser,
    path: Path,
    count: int,
    seed: int,
) -> Judged:
    """Sounds of `count` draws, read from a file if they were made before."""
    if not path.exists():
        features, classes = [], []
        for number in range(count):
            for sound in make(np.random.default_rng([seed, number])):
                states = recogniser.states(question.pooling.to_encode(sound.samples))
                features.append(question.pooling.pooled(states, len(sound.samples)))
                classes.append(question.classes.index(sound.kind))
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, features=np.stack(features), classes=np.array(classes))
        partial.rename(path)
    with np.load(path) as made:
        return Judged(made["features"], made["classes"].astype(np.int64))


def train(question: Question, judged: Judged, seed: int) -> Judge:
    """A judge with its features' means and deviations; the same examples give the same judge."""
    torch.manual_seed(seed)
    judge = Judge(question)
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


@torch.inference_mode()
def measured(judge: Judge, held_out: Judged) -> str:
    """How each class of held-out sounds is judged: a table in Markdown."""
    asked = judge.question.classes.index(judge.question.asked)
    found = torch.softmax(judge(torch.from_numpy(held_out.features)), -1)[:, asked].numpy()
    lines = [
        f"| {judge.question.name} | sounds | {judge.question.asked} >= 0.4 | >= 0.8 | <= 0.1 |",
        "|---|---|---|---|---|",
    ]
    for index, name in enumerate(judge.question.classes):
        of_class = found[held_out.classes == index]
        if len(of_class):
            shares = (of_class >= 0.4, of_class >= 0.8, of_class <= 0.1)
            percents = " | ".join(f"{100 * share.mean():.1f} %" for share in shares)
            lines.append(f"| {name} | {len(of_class)} | {percents} |")
    return "\n".join(lines)
