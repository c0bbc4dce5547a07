"""The columns that rows read: eight ids, and which feature stands for the first seven of them.

Kept as plain numbers, so that what a row has read and what it should read can be compared: two
columns are the same exactly when their numbers are. No networks in here.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import PAD_A, STREAMS, TEXT_STREAM

Columns = NDArray[np.int64]  # [n, 9]: ids of the eight streams, then the feature's number or -1
FEATURE, WIDTH = STREAMS, STREAMS + 1
NO_FEATURE = -1
BLOCK_FEATURES = 4096  # numbers are block * this + index: more than any utterance has


# --- features -------------------------------------------------------------------------------------


class Block:
    """Some features in a row, numbered from `first` on; forgotten when nobody holds it."""

    def __init__(self, first: int, features: Tensor) -> None:
        assert len(features) <= BLOCK_FEATURES, f"{len(features)} features in a block"
        self.features = features  # [m, whisper]
        self.numbers: NDArray[np.int64] = np.arange(first, first + len(features))


class Features:
    """Finds features by their numbers, for as long as somebody holds their blocks."""

    def __init__(self) -> None:
        self._blocks: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()
        self._count = itertools.count()

    def add(self, features: Tensor) -> Block:
        """Number some features. [m, whisper]"""
        index = next(self._count)
        block = self._blocks[index] = Block(index * BLOCK_FEATURES, features)
        return block

    def gather(self, numbers: NDArray[np.int64]) -> Tensor:
        """The features of these numbers, which run on within each block: [m, whisper]"""
        pieces: list[Tensor] = []
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        for run in np.split(numbers, breaks):
            index, begin = divmod(int(run[0]), BLOCK_FEATURES)
            pieces.append(self._blocks[index].features[begin : begin + len(run)])
        return torch.cat(pieces) if len(pieces) > 1 else pieces[0]


# --- columns --------------------------------------------------------------------------------------


def nothing() -> Columns:
    """No column: [0, 9]"""
    return np.zeros((0, WIDTH), np.int64)


def heard(numbers: NDArray[np.int64], *, over: bool = True) -> Columns:
    """What a user has said, up to now or to its end: [features + 1 or + 2, 9]"""
    listening = _of(prompts.listening(len(numbers)))
    listening[:, FEATURE] = numbers
    pieces = [_of(prompts.begin()), listening]
    return np.concatenate([*pieces, _of(prompts.end())] if over else pieces)


def typed(tokens: Sequence[int]) -> Columns:
    """What a user has typed: [tokens + 2, 9]"""
    return _of(prompts.typed(tokens))


def answer(*, aloud: bool) -> Columns:
    """The column that asks for an answer: [1, 9]"""
    return _of(prompts.answer(Task.A1A2 if aloud else Task.A1T2))


def transcribe() -> Columns:
    """The column that asks for what was said: [1, 9]"""
    return _of(prompts.answer(Task.A1T1))


def written(tokens: Sequence[int]) -> Columns:
    """Text that an answering row has written, without sound: [tokens, 9]"""
    columns = np.full((len(tokens), WIDTH), PAD_A, np.int64)
    columns[:, TEXT_STREAM] = tokens
    columns[:, FEATURE] = NO_FEATURE
    return columns


def sampled(columns: Sequence[NDArray[np.int64]]) -> Columns:
    """Columns that a step has returned: [n, 9]"""
    made = np.full((len(columns), WIDTH), NO_FEATURE, np.int64)
    if columns:
        made[:, :STREAMS] = columns
    return made


def common_prefix(first: Columns, second: Columns) -> int:
    """How many columns two rows share from their beginning."""
    shorter = min(len(first), len(second))
    differ = (first[:shorter] != second[:shorter]).any(1)
    return int(differ.argmax()) if differ.any() else shorter


def _of(ids: Tensor) -> Columns:
    columns = np.full((len(ids), WIDTH), NO_FEATURE, np.int64)
    columns[:, :STREAMS] = ids.numpy()
    return columns
