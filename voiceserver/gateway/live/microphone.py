"""The user's sound on its way to the session: it never stops, whatever the client sends.

A session is heard in real time. Where a client sends nothing for a while (its microphone is off, it
plays a file and waits) there is silence, or nobody would ever learn that the user has finished.
"""

from __future__ import annotations

import numpy as np

from voiceserver.audio.polyphase import PolyphaseResampler
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.gateway.codings import Coding
from voiceserver.gateway.told_once import Inflow
from voiceserver.session.session import Session

PATIENCE_S = 1.0  # sound that is only late must not be torn apart
_SAMPLE_BYTES = 2


class Microphone:
    """One session's input. All of it lies on one clock: samples are milliseconds of the session."""

    def __init__(self, session: Session, coding: Coding, start_s: float) -> None:
        self.muted = False
        self.blocked = False  # something is played that nobody may talk over
        self._session = session
        self._coding = coding
        self._resampler = PolyphaseResampler(coding.rate_hz, LISTEN_RATE_HZ)
        self._heard_s = start_s  # when the client's newest sound came
        self._until_s = start_s  # up to here the session has heard something
        self._inflow = Inflow(self._pass_on)

    def hear(self, data: bytes, now_s: float) -> None:
        """More of the user's sound; raises ClientError."""
        samples = self._resampler.process(self._coding.to_samples(data))
        if self.muted or self.blocked:
            samples = np.zeros_like(samples)
        self._heard_s = now_s
        self._inflow.take(samples.tobytes(), now_s)

    def keep_on(self, now_s: float) -> None:
        """Be called regularly: where the client is silent, so is the session."""
        if now_s - self._heard_s < PATIENCE_S:
            return
        missing = int((now_s - self._until_s) * LISTEN_RATE_HZ)
        if missing > 0:
            self._pass_on(bytes(missing * _SAMPLE_BYTES), now_s)

    def _pass_on(self, pcm16: bytes, now_s: float) -> None:
        self._session.audio(pcm16, now_s)
        self._until_s += len(pcm16) / (_SAMPLE_BYTES * LISTEN_RATE_HZ)
