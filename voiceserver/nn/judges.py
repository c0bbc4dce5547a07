"""Small classifiers on the states of larger models: who takes the floor, whose turn is over.

Whisper's encoder hears words as well as how they are said. A third of a second of "Hang on, ..." is
told from "Mm-hm" long before a recogniser has words for it. The text model that will answer knows
what may follow the words of a turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from voiceserver.audio import pooling
from voiceserver.audio.pooling import Pooling
from voiceserver.nn.checkpoint import load_network, save_networks

Floats = NDArray[np.float32]

DROPOUT: Final = 0.3  # in training: there are few voices to learn from


@dataclass(frozen=True)
class Question:
    """What a judge is asked."""

    name: str  # of its weights
    features: int
    classes: tuple[str, ...]
    asked: str  # the class whose probability is told
    width: int


@dataclass(frozen=True)
class SoundQuestion(Question):
    """What a judge of sounds is asked."""

    pooling: Pooling


FLOOR: Final = SoundQuestion(
    "floor",
    pooling.FLOOR.features,
    ("listens", "takes_floor", "noise_or_echo", "elsewhere"),
    "takes_floor",
    96,
    pooling.FLOOR,
)
ENDS: Final = ("goes_on", "yields")
TURN_END: Final = SoundQuestion(
    "turn_end", pooling.TURN_END.features, ENDS, "yields", 64, pooling.TURN_END
)
STATE_WIDTH: Final = 576  # SmolLM2-135M
WORDING: Final = Question("wording", STATE_WIDTH + 1, ENDS, "yields", 64)


class Judge(nn.Module):
    """Features -> which class."""

    mean: Tensor
    scale: Tensor

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question
        features = question.features
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.enter = nn.Linear(features, question.width)
        self.leave = nn.Linear(question.width, len(question.classes))
        self.eval()

    def forward(self, features: Tensor) -> Tensor:
        """[B, features] -> logits [B, classes]"""
        x = nn.functional.dropout((features - self.mean) / self.scale, DROPOUT, self.training)
        x = nn.functional.dropout(nn.functional.gelu(self.enter(x)), DROPOUT, self.training)
        logits: Tensor = self.leave(x)
        return logits

    @torch.inference_mode()
    def asked(self, features: Tensor) -> Tensor:
        """Probability of the class asked for: [B, features] -> [B]"""
        return torch.softmax(self(features), -1)[
            :, self.question.classes.index(self.question.asked)
        ]


class SoundJudge(Judge):
    """States of Whisper's encoder -> which class."""

    question: SoundQuestion

    def __init__(self, question: SoundQuestion) -> None:
        super().__init__(question)

    def probability(self, states: Floats, samples: int) -> float:
        """Of the class asked for: encoder states [S, D] of a sound of so many samples."""
        features = torch.from_numpy(self.question.pooling.pooled(states, samples))[None]
        return float(self.asked(features))


def weights_file(question: Question) -> str:
    return f"{question.name}.safetensors"


def save(judge: Judge, folder: Path, made: dict[str, float | str]) -> None:
    """Write the weights; `made` says how."""
    name = judge.question.name
    save_networks(folder / weights_file(judge.question), {name: judge}, {"made": made})


@overload
def load(question: SoundQuestion, folder: Path) -> SoundJudge: ...
@overload
def load(question: Question, folder: Path) -> Judge: ...
def load(question: Question, folder: Path) -> Judge:
    """The judge in a folder."""
    judge = untrained(question)
    load_network(folder / weights_file(question), question.name, judge)
    return judge.requires_grad_(False)


def untrained(question: Question) -> Judge:
    """With random weights."""
    return SoundJudge(question) if isinstance(question, SoundQuestion) else Judge(question)
