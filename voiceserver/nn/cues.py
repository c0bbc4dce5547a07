"""Timed phonemes -> cues: which phoneme is heard at every latent, and how far into it we are.

Plain arrays, no network: the same arithmetic serves a training sequence and a growing utterance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PARTS = 2  # each symbol has two timed parts: itself and the pad behind it
AFTER_END = -1  # the symbol of a latent after the end
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CueTrack:
    symbol: Ints  # [T], counting in the utterance, or AFTER_END
    part: Ints  # [T]: 0 the symbol, 1 the pad behind it
    offset: Ints  # [T]: latents since the part began
    remaining: Ints  # [T]: latents until it ends

    def __len__(self) -> int:
        return len(self.symbol)

    def stacked(self) -> Ints:
        return np.stack([self.symbol, self.part, self.offset, self.remaining], -1)  # [T, 4]


def cue_track(durations: Ints, first_symbol: int = 0) -> CueTrack:
    """durations: [N, PARTS] in latents; the first of them is of symbol number `first_symbol`."""
    flat = durations.reshape(-1)
    part_index = np.repeat(np.arange(len(flat)), flat)
    starts = np.cumsum(flat) - flat
    offset = np.arange(len(part_index)) - starts[part_index]
    return CueTrack(
        symbol=first_symbol + part_index // PARTS,
        part=part_index % PARTS,
        offset=offset,
        remaining=flat[part_index] - 1 - offset,
    )


def after_end(latents: int) -> CueTrack:
    nothing = np.zeros(latents, np.int64)
    return CueTrack(np.full(latents, AFTER_END, np.int64), nothing, nothing, nothing)
