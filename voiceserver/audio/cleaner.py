"""Takes our own echo and noise out of one microphone's audio, in frames of 10 ms as they come.

This is WebRTC's audio processing (AEC3, noise suppression, AGC2), as every browser has it. What
comes out is later than what went in: by 8 ms after the canceller, by 6 ms more after the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pywebrtc_audio import AudioProcessor, EchoCanceller

from voiceserver.clock import LISTEN_RATE_HZ, exact_div

Floats = NDArray[np.float32]

FRAME_SAMPLES = exact_div(LISTEN_RATE_HZ, 100)
MOST_GAIN_DB = 24.0


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
    """Lowers what goes on steadily by about 6 dB a `level`, 0 to 3; may lift a far voice."""

    def __init__(self, level: int, *, lifts: bool) -> None:
        self._processor = AudioProcessor(
            sample_rate=LISTEN_RATE_HZ,
            noise_suppression=True,
            ns_level=level,
            auto_gain_control=lifts,
            agc_max_gain_db=MOST_GAIN_DB,
        )

    def clean(self, heard: Floats) -> Floats:
        """Whole frames. [n] -> [n]"""
        _check(heard)
        cleaned: Floats = self._processor.process(heard)
        return cleaned


def _check(heard: Floats) -> None:
    # the library would fill up a part of a frame with silence
    assert len(heard) % FRAME_SAMPLES == 0, f"{len(heard)} samples are not whole frames"
