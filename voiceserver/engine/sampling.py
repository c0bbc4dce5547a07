"""Draws a token: greedy, or by temperature and top-p with a counter-based random number.

The number depends only on the reply's seed and the step, so a reply comes out the same alone, among
others, or replayed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP_P = 0.9
# A repetition penalty (Keskar et al. 2019) keeps a small model from going round in circles.
REPETITION_PENALTY = 1.1


@dataclass(frozen=True)
class Sampling:
    """How one reply is drawn."""

    temperature: float  # 0 is greedy
    seed: int


def draw(logits: NDArray[np.float32], sampling: Sampling, step: int, written: list[int]) -> int:
    """The next token. logits: [V], changed in place; `written`: this reply's tokens so far."""
    if written:
        seen = np.unique(written)
        logits[seen] -= np.abs(logits[seen]) * (1.0 - 1.0 / REPETITION_PENALTY)
    if sampling.temperature <= 0.0:
        return int(logits.argmax())
    tokens, probability = nucleus(logits / sampling.temperature)
    drawn = int(np.searchsorted(probability.cumsum(), uniform(sampling.seed, step)))
    return int(tokens[min(drawn, len(tokens) - 1)])  # the sum may round to less than one


def nucleus(logits: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The fewest tokens that hold TOP_P of the probability, and theirs, summing to one."""
    # 64 candidates are plenty for a nucleus at the temperatures speech is written at.
    count = min(64, len(logits))
    tokens = np.argpartition(-logits, count - 1)[:count]
    tokens = tokens[np.lexsort((tokens, -logits[tokens]))]
    weight = np.exp(logits[tokens].astype(np.float64) - float(logits[tokens[0]]))
    total = np.exp(logits.astype(np.float64) - float(logits[tokens[0]])).sum()
    kept = int(np.searchsorted((weight / total).cumsum(), TOP_P)) + 1
    weight = weight[:kept]
    return tokens[:kept], weight / weight.sum()


def uniform(seed: int, step: int) -> float:
    """A random number in [0, 1) that is a function of its arguments."""
    return float(np.random.Generator(np.random.Philox(key=seed, counter=step)).random())
