"""A recording that the client wants played whole: while it lasts, nobody is listened to."""

from __future__ import annotations

import numpy as np

from voiceserver.audio.resample import StreamingResampler
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.errors import ClientError
from voiceserver.gateway.codings import Linear
from voiceserver.gateway.live.pacer import Pacer, Samples

LONGEST_S = 30.0
ITEM_ID = ""  # it is no item of the conversation


class Fixture:
    """At most one at a time."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self.playing = False

    def read(self, data: bytes) -> Samples:
        """The whole recording at the stream's rate; raises ClientError."""
        if self.playing:
            raise fixture_active()
        samples = Linear(WIRE_RATE_HZ).to_samples(data)
        if not 0 < len(samples) <= LONGEST_S * WIRE_RATE_HZ:
            raise ClientError(
                f"A fixture lasts between one sample and {LONGEST_S:g} s.",
                code="invalid_value",
                param="audio",
            )
        resampler = StreamingResampler(WIRE_RATE_HZ, self._pacer.rate_hz)
        return np.concatenate([resampler.process(samples), resampler.flush()])

    def play(self, samples: Samples) -> None:
        """Queue it; whatever else was to be heard has been stopped."""
        self._pacer.speak(ITEM_ID, samples)
        self.playing = True

    def ended(self) -> bool:
        """Whether it has just come to its end."""
        over = self.playing and not self._pacer.holds(ITEM_ID)
        self.playing = self.playing and not over
        return over


def fixture_active() -> ClientError:
    return ClientError("An audio fixture is being played.", code="fixture_active")
