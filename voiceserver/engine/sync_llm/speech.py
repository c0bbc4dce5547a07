"""The two ends of the model: the user's sound to units and units to sound, chunk by chunk.

Both networks are replaceable: anything that maps windows to units, and units to samples, will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from voiceserver.engine.family import Samples
from voiceserver.nn.sync_llm.chunks import UNIT_SAMPLES, Units
from voiceserver.nn.sync_llm.tokenizer import CONTEXT_UNITS

FADE_SAMPLES = 80  # 5 ms: where one chunk's sound goes over into the next one's


class UnitTokenizer(Protocol):
    """Sound at 16 kHz to units, 25 a second."""

    @property
    def units(self) -> int:
        """How many there are."""
        ...

    def __call__(self, windows: Tensor) -> Tensor:
        """windows: [B, T], T a multiple of UNIT_SAMPLES -> [B, T / UNIT_SAMPLES]"""
        ...


class UnitVocoder(Protocol):
    """Units at their full rate to sound at 16 kHz."""

    @property
    def reach(self) -> int:
        """Units to each side that a sample depends on."""
        ...

    def __call__(self, units: Tensor) -> Tensor:
        """units: [B, T] -> samples [B, T * UNIT_SAMPLES]"""
        ...


class ChunkTokenizer:
    """Units of the newest chunk, read with a bounded context before it."""

    def __init__(self, tokenizer: UnitTokenizer, per_chunk: int) -> None:
        self._tokenizer, self._per_chunk = tokenizer, per_chunk
        self.context_samples = CONTEXT_UNITS * UNIT_SAMPLES
        silence = np.zeros(self.context_samples + per_chunk * UNIT_SAMPLES, np.float32)
        self.silence = self([silence])[0][-1]  # the unit of no sound at all

    def __call__(self, windows: Sequence[Samples]) -> list[Units]:
        """windows: context and chunk of each slot -> the chunks' units"""
        wanted = self.context_samples + self._per_chunk * UNIT_SAMPLES
        assert all(len(window) == wanted for window in windows), "windows of another length"
        units = self._tokenizer(torch.from_numpy(np.stack(windows)))
        return [tuple(row) for row in units[:, -self._per_chunk :].tolist()]


class ChunkVocoder:
    """Sound of chunk after chunk of every slot.

    A chunk is made with the units before it and, as those after it are not known yet, with its last
    unit held. Where the next chunk says otherwise, the two sounds are faded over.
    """

    def __init__(self, vocoder: UnitVocoder, per_chunk: int) -> None:
        self._vocoder, self._per_chunk, self._reach = vocoder, per_chunk, vocoder.reach
        self._spoken: dict[int, list[int]] = {}  # the newest units of each slot, `reach` of them
        self._tails: dict[int, Samples] = {}  # how the sound was thought to go on

    def open(self, slot: int, silence: int) -> None:
        self._spoken[slot] = [silence] * self._reach
        self._tails.pop(slot, None)

    def close(self, slot: int) -> None:
        del self._spoken[slot]
        self._tails.pop(slot, None)

    def __call__(self, chunks: Mapping[int, Units]) -> dict[int, Samples]:
        """Units of a chunk of some slots -> its samples"""
        rows = [
            self._spoken[slot] + list(units) + [units[-1]] * self._reach
            for slot, units in chunks.items()
        ]
        made = self._vocoder(torch.tensor(rows)).cpu().numpy()
        begin = self._reach * UNIT_SAMPLES
        end = begin + self._per_chunk * UNIT_SAMPLES
        sounds: dict[int, Samples] = {}
        for (slot, units), sound in zip(chunks.items(), made, strict=True):
            chunk = np.array(sound[begin:end], np.float32)
            if (tail := self._tails.get(slot)) is not None:
                chunk[:FADE_SAMPLES] = tail + (chunk[:FADE_SAMPLES] - tail) * _FADE
            self._tails[slot] = np.array(sound[end : end + FADE_SAMPLES], np.float32)
            self._spoken[slot] = [*self._spoken[slot], *units][-self._reach :]
            sounds[slot] = chunk
        return sounds


_FADE = np.arange(FADE_SAMPLES, dtype=np.float32) / FADE_SAMPLES
