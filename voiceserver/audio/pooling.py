"""What judges of sounds are told: states of Whisper's encoder, pooled over parts of a sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ, exact_div

Floats = NDArray[np.float32]

STATES_PER_S: Final = 50
STATE_SAMPLES: Final = exact_div(LISTEN_RATE_HZ, STATES_PER_S)
STATE_WIDTH: Final = 384  # Whisper tiny
EVERYTHING: Final = 1500


@dataclass(frozen=True)
class Pooling:
    """How much of a sound's end is looked at, and which parts of its states are summed up."""

    longest_states: int
    silent_states: int  # at least so many behind the sound, so that the encoder sees its end
    parts: tuple[tuple[Literal["mean", "max"], int], ...]  # over so many of the last states

    @property
    def features(self) -> int:
        return len(self.parts) * STATE_WIDTH + 1

    def to_encode(self, sound: Floats) -> Floats:
        """What the encoder is given: the end of [S], always of the same length with silence."""
        end = np.nan_to_num(sound[-self.longest_states * STATE_SAMPLES :])
        length = (self.longest_states + self.silent_states) * STATE_SAMPLES
        return np.pad(end, (0, length - len(end)))

    def pooled(self, states: Floats, samples: int) -> Floats:
        """States [S, STATE_WIDTH] of a sound of so many samples -> [features]"""
        heard = min(self.longest_states, -(-samples // STATE_SAMPLES))
        said = states[: max(1, heard)]
        pools = [getattr(said[-last:], how)(axis=0) for how, last in self.parts]
        seconds = np.array([len(said) / STATES_PER_S], np.float32)
        return np.concatenate([*pools, seconds]).astype(np.float32)


FLOOR: Final = Pooling(72, 8, (("mean", EVERYTHING), ("max", EVERYTHING), ("mean", 12)))
TURN_END: Final = Pooling(
    150, 8, (("mean", EVERYTHING), ("max", 72), ("mean", 40), ("mean", 14), ("mean", 7))
)
