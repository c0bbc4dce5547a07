"""One slot's audio from some sample on, with less noise: for voice activity and turn-taking.

Words are read from the audio as it was heard, of which Whisper understands as much.
"""

from __future__ import annotations

import numpy as np

from voiceserver.audio.noise_reducer import FRAME_SAMPLES, NoiseReducer
from voiceserver.audio.ring import SampleRing
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.engine.family import Samples
from voiceserver.engine.messages import NoiseReduction

LEVELS: dict[NoiseReduction, int] = {"near_field": 1, "far_field": 2}  # 12 and 18 dB
KEPT_SAMPLES = LISTEN_RATE_HZ
PIECE_SAMPLES = LISTEN_RATE_HZ // 10  # so much is reduced at a time
_INT16_SCALE = 32767.0


class ReducedAudio:
    """Follows what is heard, frame by frame."""

    def __init__(self, heard: SampleRing, begin: int, noise: NoiseReduction) -> None:
        self._heard = heard
        self._reducer = NoiseReducer(LEVELS[noise])
        self._reduced = SampleRing(KEPT_SAMPLES, begin)

    def has(self, end: int) -> bool:
        """Whether enough has been heard for all before this sample."""
        return self._heard.end >= self._reduced.end + self._missing(end)

    def read(self, begin: int, end: int) -> Samples:
        """Samples `[begin, end)`; nothing is there of what was before its beginning."""
        whole = (self._heard.end - self._reduced.end) // FRAME_SAMPLES * FRAME_SAMPLES
        until = self._reduced.end + min(whole, self._missing(end))
        while self._reduced.end < until:
            piece_end = min(until, self._reduced.end + PIECE_SAMPLES)
            reduced = self._reducer.reduce(self._heard.read(self._reduced.end, piece_end))
            pcm16 = (np.clip(reduced, -1.0, 1.0) * _INT16_SCALE).astype("<i2")
            self._reduced.write(pcm16.tobytes())
        return self._reduced.read(begin, end)

    def _missing(self, end: int) -> int:
        """Samples of whole frames yet to be reduced before this one."""
        return max(0, -(-(end - self._reduced.end) // FRAME_SAMPLES)) * FRAME_SAMPLES
