"""One slot's audio from some sample on, without what its session does not want to hear in it.

Words are read from what is left when our own echo has been taken out; voice activity also goes
without noise. (A recogniser hears through noise as well as what a noise reducer leaves of it.)
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
# So much is cleaned for whoever reads ahead of voice activity: 10 ms of work.
MOST_AT_ONCE_SAMPLES = LISTEN_RATE_HZ
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
        self._words = SampleRing(heard.capacity, begin) if echo else None
        self._voice = SampleRing(heard.capacity, begin) if self._reducer else None

    @property
    def removes_echo(self) -> bool:
        return self._remover is not None

    def has(self, end: int) -> bool:
        """Whether enough has been heard to clean all before this sample."""
        return self._heard.end >= self._cleaned_until + self._missing(end)

    def voice(self, begin: int, end: int) -> Samples:
        """What voice activity is to listen to, `[begin, end)`."""
        self._reach(end)
        return self._read(self._voice or self._words or self._heard, begin, end)

    def words(self, begin: int, end: int) -> Samples:
        """What words are to be read in."""
        if self._words is None:
            return self._heard.read(begin, end)
        self._reach(min(end, self._cleaned_until + MOST_AT_ONCE_SAMPLES))
        return self._read(self._words, begin, end)

    def words_end(self) -> int:
        """Sample position after the newest audio that is ready for words to be read in."""
        if self._words is None:
            return self._heard.end
        self._reach(min(self._heard.end, self._cleaned_until + MOST_AT_ONCE_SAMPLES))
        return self._words.end

    def _read(self, ring: SampleRing, begin: int, end: int) -> Samples:
        """Before cleaning began, and where it has not come yet, it is taken as it was heard."""
        earlier = self._heard.read(begin, min(end, ring.begin))
        later = self._heard.read(max(begin, ring.end), end)
        return np.concatenate([earlier, ring.read(begin, end), later])

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
        if self._remover is not None and self._echo is not None and self._words is not None:
            played = self._echo.reference(begin - self._late_samples, end - self._late_samples)
            audio = self._remover.clean(audio, played)
            self._words.write(_pcm16(audio))
        if self._reducer is not None and self._voice is not None:
            self._voice.write(_pcm16(self._reducer.clean(audio)))
        self._cleaned_until = end


def _reducer(noise: NoiseReduction | None) -> NoiseReducer | None:
    if noise is None:
        return None
    return NoiseReducer(1, lifts=False) if noise == "near_field" else NoiseReducer(2, lifts=True)


def _pcm16(samples: Samples) -> bytes:
    return (np.clip(samples, -1.0, 1.0) * _INT16_SCALE).astype("<i2").tobytes()
