"""The columns each task's prompt is made of, whole or in the pieces a live session reads them in.

Only the last column tells the tasks apart: whether it answers aloud, and whether its text answers
or transcribes. Everything before is the same in both rows of a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import torch
from torch import Tensor

from voiceserver.nn.mini_omni import vocabulary
from voiceserver.nn.mini_omni.errors import PromptError
from voiceserver.nn.mini_omni.vocabulary import TEXT_STREAM

FEATURES_AT = 1  # the column of a spoken prompt that its first feature goes to


class Task(Enum):
    """What is heard or read (1), and what is spoken or written in answer (2)."""

    A1A2 = "A1A2"
    A1T2 = "A1T2"
    A1T1 = "A1T1"  # transcription
    T1A2 = "T1A2"
    T1T2 = "T1T2"

    @property
    def heard(self) -> bool:
        return self.value.startswith("A1")

    @property
    def spoken(self) -> bool:
        return self.value.endswith("A2")


def begin() -> Tensor:
    """Before features: [1, 8]"""
    return _columns(vocabulary.INPUT_A, [vocabulary.INPUT_T])


def listening(features: int) -> Tensor:
    """Where this many features go: [features, 8]"""
    return _columns(vocabulary.PAD_A, [vocabulary.PAD_T] * features)


def end() -> Tensor:
    """After features: [1, 8]"""
    return _columns(vocabulary.EOA, [vocabulary.EOT])


def typed(tokens: Sequence[int]) -> Tensor:
    """A typed prompt without its last column: [len(tokens) + 2, 8]"""
    text = [vocabulary.INPUT_T, *tokens, vocabulary.EOT]
    return _columns(vocabulary.PAD_A, text)


def answer(task: Task) -> Tensor:
    """The last column of a prompt: [1, 8]"""
    audio = vocabulary.ANSWER_A if task.spoken else vocabulary.PAD_A
    text = vocabulary.ASR if task is Task.A1T1 else vocabulary.ANSWER_T
    return _columns(audio, [text])


def spoken_prompt(task: Task, features: int) -> Tensor:
    """The whole prompt of a task that hears this many features: [features + 3, 8]"""
    assert task.heard, task
    return torch.cat([begin(), listening(features), end(), answer(task)])


def typed_prompt(task: Task, tokens: Sequence[int]) -> Tensor:
    """The whole prompt of a task that reads: [len(tokens) + 3, 8]"""
    assert not task.heard, task
    return torch.cat([typed(tokens), answer(task)])


def check(ids: Tensor) -> None:
    """Raise `PromptError` unless these are columns [n, 8] of ids that exist."""
    if ids.ndim != 2 or ids.shape[1] != vocabulary.STREAMS or not len(ids):
        raise PromptError(f"columns have the shape [n, 8], not {list(ids.shape)}")
    if not vocabulary.in_range(ids):
        raise PromptError("an id is not in its stream's vocabulary")


def check_features(features: Tensor, whisper_dim: int, at: int, columns: int) -> None:
    """Raise `PromptError` unless features [m, whisper] fit from column `at` on."""
    if features.ndim != 2 or features.shape[1] != whisper_dim:
        raise PromptError(f"features have the shape [m, {whisper_dim}], not {list(features.shape)}")
    if at < 0 or at + len(features) > columns:
        raise PromptError(f"{len(features)} features at column {at} do not fit {columns} columns")


def _columns(audio: int, text: Sequence[int]) -> Tensor:
    """One id on all audio streams beside this text: [len(text), 8]"""
    columns = torch.full((len(text), vocabulary.STREAMS), audio, dtype=torch.int64)
    columns[:, TEXT_STREAM] = torch.tensor(text, dtype=torch.int64)
    return columns
