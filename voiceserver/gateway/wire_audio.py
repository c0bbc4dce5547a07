"""Audio on the wire, PCM16 at 24 kHz or G.711 at 8 kHz, to and from what the engine knows.

Streaming in both directions; each reply has an encoder of its own, so nothing bleeds into the next.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio import g711
from voiceserver.audio.polyphase import PolyphaseResampler
from voiceserver.audio.resample import StreamingResampler
from voiceserver.clock import LISTEN_RATE_HZ, TELEPHONE_RATE_HZ, WIRE_RATE_HZ
from voiceserver.errors import ClientError


class AudioFormat(StrEnum):
    PCM = "audio/pcm"
    ULAW = "audio/pcmu"
    ALAW = "audio/pcma"

    @property
    def rate_hz(self) -> int:
        return WIRE_RATE_HZ if self is AudioFormat.PCM else TELEPHONE_RATE_HZ

    def wire(self) -> dict[str, str | int]:
        """The format object of the protocol."""
        if self is AudioFormat.PCM:
            return {"type": self.value, "rate": self.rate_hz}
        return {"type": self.value}

    def to_samples(self, data: bytes) -> NDArray[np.int16]:
        """Wire bytes to samples."""
        match self:
            case AudioFormat.ULAW:
                return g711.ulaw_to_pcm16(data)
            case AudioFormat.ALAW:
                return g711.alaw_to_pcm16(data)
        if len(data) % 2:
            raise ClientError(
                f"Invalid audio: {len(data)} bytes are not a whole number of 16-bit samples.",
                code="invalid_value",
                param="audio",
            )
        return np.frombuffer(data, "<i2")

    def to_bytes(self, samples: NDArray[np.int16]) -> bytes:
        """Samples to wire bytes."""
        match self:
            case AudioFormat.ULAW:
                return g711.pcm16_to_ulaw(samples)
            case AudioFormat.ALAW:
                return g711.pcm16_to_alaw(samples)
        return samples.astype("<i2", copy=False).tobytes()


class InputAudio:
    """The user's audio, from wire bytes to int16 at the listening rate."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self._resampler = PolyphaseResampler(audio_format.rate_hz, LISTEN_RATE_HZ)

    def decode(self, data: bytes) -> bytes:
        """The next piece."""
        return self._resampler.process(self.format.to_samples(data)).tobytes()

    def decode_whole(self, data: bytes) -> bytes:
        """A clip that is complete."""
        samples = self._resampler.process(self.format.to_samples(data))
        return np.concatenate([samples, self._resampler.flush()]).tobytes()


class OutputAudio:
    """One reply's audio, from int16 at the voice's rate to wire bytes."""

    def __init__(self, audio_format: AudioFormat, voice_rate_hz: int) -> None:
        self.format = audio_format
        telephone = audio_format is not AudioFormat.PCM  # where soxr would hold back 80 ms
        resampler = PolyphaseResampler if telephone else StreamingResampler
        self._resampler = resampler(voice_rate_hz, audio_format.rate_hz)

    def encode(self, pcm16: bytes) -> bytes:
        """The next piece; may be empty while the filter fills."""
        samples = np.frombuffer(pcm16, "<i2")
        return self.format.to_bytes(self._resampler.process(samples))

    def flush(self) -> bytes:
        """The end of the reply."""
        return self.format.to_bytes(self._resampler.flush())
