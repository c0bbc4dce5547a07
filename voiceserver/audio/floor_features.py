"""What the judge of sounds over the assistant's is told: pooled states of Whisper's encoder."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ, exact_div

Floats = NDArray[np.float32]

STATE_SAMPLES: Final = exact_div(LISTEN_RATE_HZ, 50)  # a state of the encoder
# Of a longer sound the end is judged; behind a shorter one there is silence.
LONGEST_SAMPLES: Final = exact_div(LISTEN_RATE_HZ * 144, 100)
ENCODED_SAMPLES: Final = exact_div(LISTEN_RATE_HZ * 16, 10)
STATE_WIDTH: Final = 384  # Whisper tiny
LAST_STATES: Final = 12  # the last quarter of a second
FEATURES: Final = 3 * STATE_WIDTH + 1


def to_encode(sound: Floats) -> Floats:
    """What the encoder is given of a sound: [S] -> [ENCODED_SAMPLES]"""
    end = np.nan_to_num(sound[-LONGEST_SAMPLES:])
    return np.pad(end, (0, ENCODED_SAMPLES - len(end)))


def pooled(states: Floats, samples: int) -> Floats:
    """Encoder states [S, STATE_WIDTH] of a sound of so many samples -> [FEATURES]"""
    said = states[: max(1, -(-min(samples, LONGEST_SAMPLES) // STATE_SAMPLES))]
    parts = (said.mean(axis=0), said.max(axis=0), said[-LAST_STATES:].mean(axis=0))
    seconds = np.array([len(said) * STATE_SAMPLES / LISTEN_RATE_HZ], np.float32)
    return np.concatenate([*parts, seconds]).astype(np.float32)
