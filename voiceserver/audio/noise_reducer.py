"""Lowers the noise in one microphone's audio, in frames of 10 ms as they come.

This is WebRTC's noise suppression, as every browser has it. What comes out is 6 ms later than what
went in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pywebrtc_audio import NoiseSuppressor

from voiceserver.clock import LISTEN_RATE_HZ, exact_div

Floats = NDArray[np.float32]

FRAME_SAMPLES = exact_div(LISTEN_RATE_HZ, 100)


class NoiseReducer:
    """Lowers what goes on steadily, by 6, 12, 18 or 21 dB at level 0 to 3."""

    def __init__(self, level: int) -> None:
        self._suppressor = NoiseSuppressor(sample_rate=LISTEN_RATE_HZ, level=level)

    def reduce(self, heard: Floats) -> Floats:
        """Whole frames. [n] -> [n]"""
        # the library would fill up a part of a frame with silence
        assert len(heard) % FRAME_SAMPLES == 0, f"{len(heard)} samples are not whole frames"
        reduced: Floats = self._suppressor.process(heard)
        return reduced
