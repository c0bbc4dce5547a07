"""Takes our own echo and noise out of one microphone's audio, in frames of 10 ms as they come.

This is WebRTC's audio processing (AEC3, noise suppression), as every browser has it. What comes
out is later than what went in: by 8 ms after the canceller, by 6 ms more after the reducer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pywebrtc_audio import EchoCanceller, NoiseSuppressor

from voiceserver.clock import LISTEN_RATE_HZ, exact_div

Floats = NDArray[np.float32]

FRAME_SAMPLES = exact_div(LISTEN_RATE_HZ, 100)


class EchoRemover:
    """Learns how our voice comes back, and takes it out."""

    def __init__(self) -> None:
        self._canceller = EchoCanceller(sample_rate=LISTEN_RATE_HZ)

    def clean(self, heard: Floats, played: Floats) -> Floats:
        """Whole frames, and what the loudspeaker should have played meanwhile. [n], [n] -> [n]"""
        _check(heard)
        assert heard.shape == played.shape, f"{heard.shape} heard, {played.shape} played"
        cleaned: Floats = self._canceller.process(heard, played)
        return cleaned


class NoiseReducer:
    """Lowers what goes on steadily, by 6, 12, 18 or 21 dB at level 0 to 3."""

    def __init__(self, level: int) -> None:
        self._suppressor = NoiseSuppressor(sample_rate=LISTEN_RATE_HZ, level=level)

    def clean(self, heard: Floats) -> Floats:
        """Whole frames. [n] -> [n]"""
        _check(heard)
        cleaned: Floats = self._suppressor.process(heard)
        return cleaned


def _check(heard: Floats) -> None:
    # the library would fill up a part of a frame with silence
    assert len(heard) % FRAME_SAMPLES == 0, f"{len(heard)} samples are not whole frames"
