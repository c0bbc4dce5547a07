"""Smart-turn v3: has the user finished, judging by the sound of the last eight seconds?

The audio is put at the end of eight seconds, silence before it, brought to zero mean and unit
variance, and read as Whisper's log-mel spectrogram.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.mel import log_mel
from voiceserver.audio.onnx import open_session
from voiceserver.clock import LISTEN_RATE_HZ

WINDOW_SAMPLES = 8 * LISTEN_RATE_HZ
VARIANCE_FLOOR = 1e-7


class TurnEndPredictor:
    """The network; it keeps no state, and may be called from any one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._session = open_session(file)

    def probability(self, samples: NDArray[np.float32]) -> float:
        """Probability that the turn is complete at the end of these 16 kHz samples."""
        window = np.zeros(WINDOW_SAMPLES, np.float32)
        recent = samples[-WINDOW_SAMPLES:]
        window[WINDOW_SAMPLES - len(recent) :] = recent
        window = (window - window.mean()) / np.sqrt(window.var() + VARIANCE_FLOOR)
        (probability,) = self._session.run(None, {"input_features": log_mel(window)[None]})
        return float(probability[0, 0])
