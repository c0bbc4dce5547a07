"""One slot's audio from some sample on, without what its session does not want to hear in it.

It is for voice activity and turn-taking. Words are read from the audio as it was heard: Whisper
understands no more of what a noise reducer leaves, and when somebody interrupts us we fall silent
anyway, while a canceller takes a part of their voice, too.
"""

from __future__ import annotations

import numpy as np

from voiceserver.audio.cleaner import FRAME_SAMPLES, EchoRemover, NoiseReducer
from voiceserver.audio.echo import EchoTracker
from voiceserver.audio.ring import SampleRing
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.engine.cleaning import NoiseReduction
from voiceserver.engine.family import Samples

# The canceller looks for echoes of up to half a second; it is shown them as if they came so late.
SHOWN_DELAY_SAMPLES = LISTEN_RATE_HZ // 10
PIECE_SAMPLES = LISTEN_RATE_HZ // 10  # so much is cleaned at a time
KEPT_SAMPLES = LISTEN_RATE_HZ
LEVELS: dict[NoiseReduction, int] = {"near_field": 1, "far_field": 2}  # 12 and 18 dB
_INT16_SCALE = 32767.0


class CleanedAudio:
    """Follows what is heard, frame by frame. `echo`: whose voice to take out, if any."""

    def __init__(
        self,
        heard: SampleRing,
        begin: int,
        *,
        echo: EchoTracker | None,
        noise: NoiseReduction | None,
    ) -> None:
        self._heard = heard
        self._echo = echo
        self._late_samples = max(0, echo.delay_samples - SHOWN_DELAY_SAMPLES) if echo else 0
        self._remover = EchoRemover() if echo else None
        self._reducer = _reducer(noise)
        self._cleaned_until = begin
        self._kept = SampleRing(KEPT_SAMPLES, begin)

    @property
    def removes_echo(self) -> bool:
        return self._remover is not None

    def has(self, end: int) -> bool:
        """Whether enough has been heard to clean all before this sample."""
        return self._heard.end >= self._cleaned_until + self._missing(end)

    def read(self, begin: int, end: int) -> Samples:
        """Samples `[begin, end)`; nothing is there before cleaning began."""
        self._reach(end)
        return self._kept.read(begin, end)

    def _missing(self, end: int) -> int:
        """Samples of whole frames yet to be cleaned before this one."""
        return max(0, -(-(end - self._cleaned_until) // FRAME_SAMPLES)) * FRAME_SAMPLES

    def _reach(self, end: int) -> None:
        """Clean all whole frames before this sample that have been heard."""
        whole = (self._heard.end - self._cleaned_until) // FRAME_SAMPLES * FRAME_SAMPLES
        until = self._cleaned_until + min(whole, self._missing(end))
        while self._cleaned_until < until:
            self._clean(min(until - self._cleaned_until, PIECE_SAMPLES))

    def _clean(self, samples: int) -> None:
        begin, end = self._cleaned_until, self._cleaned_until + samples
        audio = self._heard.read(begin, end)
        if self._remover is not None and self._echo is not None:
            played = self._echo.reference(begin - self._late_samples, end - self._late_samples)
            audio = self._remover.clean(audio, played)
        if self._reducer is not None:
            audio = self._reducer.clean(audio)
        self._kept.write((np.clip(audio, -1.0, 1.0) * _INT16_SCALE).astype("<i2").tobytes())
        self._cleaned_until = end


def _reducer(noise: NoiseReduction | None) -> NoiseReducer | None:
    return None if noise is None else NoiseReducer(LEVELS[noise])
