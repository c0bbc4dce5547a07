"""The user's track, to int16 at the listening rate: as soon as it comes, gaps filled with silence.

A listener needs no even pace, only order. So nothing waits in a jitter buffer: a packet is decoded
when it comes, one that comes after its successor is left out, and what is missing is silence, so
that the session's audio clock keeps step with the user's.
"""

from __future__ import annotations

import logging

import numpy as np
from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket
from av import AudioFrame
from numpy.typing import NDArray

from voiceserver.audio.polyphase import PolyphaseResampler
from voiceserver.clock import LISTEN_RATE_HZ

log = logging.getLogger("voiceserver.gateway")

MOST_MISSING_S = 1.0  # of silence for one gap; a longer one is a sender that had paused
_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_HALF_RANGE = 1 << 15  # of RTP's sequence numbers, which wrap


class InOrder:
    """In place of aiortc's jitter buffer, which holds back four packets, after a loss sixteen."""

    def __init__(self) -> None:
        self._last: int | None = None  # sequence number

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """As aiortc calls it: (a new video picture is needed, what to decode now)."""
        number = packet.sequence_number
        if self._last is not None and 0 <= (self._last - number) % (2 * _HALF_RANGE) < _HALF_RANGE:
            return False, None  # comes too late, or twice
        self._last = number
        return False, JitterFrame(data=packet.payload, timestamp=packet.timestamp)


def hear_at_once(receiver: RTCRtpReceiver) -> None:
    """Have the receiver's packets decoded as they come."""
    if hasattr(receiver, _JITTER_BUFFER):
        setattr(receiver, _JITTER_BUFFER, InOrder())
    else:  # another aiortc: it works as well, 80 ms later
        log.warning("this aiortc has its jitter buffer elsewhere; WebRTC callers are heard later")


class Ear:
    """One caller's sound."""

    def __init__(self) -> None:
        self._rate_hz = 0
        self._next_pts: int | None = None  # of the frame that follows without a gap
        self._filled_samples = 0  # of the gap that is going on

    def hear(self, frame: AudioFrame) -> bytes:
        """Int16 at the listening rate of one decoded frame, and of what is missing before it."""
        if frame.sample_rate != self._rate_hz:
            self._rate_hz = frame.sample_rate
            self._next_pts = None
            self._resampler = PolyphaseResampler(self._rate_hz, LISTEN_RATE_HZ)
        samples = np.concatenate([self._missing(frame), _mono(frame)])
        return self._resampler.process(samples).tobytes()

    def pause(self, seconds: float) -> bytes:
        """Silence, as `hear` returns it, for a time in which no frame came."""
        silence = np.zeros(int(seconds * self._rate_hz), np.int16)
        self._filled_samples += len(silence)
        return self._resampler.process(silence).tobytes()

    def _missing(self, frame: AudioFrame) -> NDArray[np.int16]:
        """Silence for what was lost before this frame."""
        missing = 0
        if frame.pts is not None:  # aiortc counts it in samples
            if self._next_pts is not None:
                missing = max(0, frame.pts - self._next_pts - self._filled_samples)
            self._filled_samples = 0
            self._next_pts = frame.pts + frame.samples
        return np.zeros(min(missing, int(MOST_MISSING_S * self._rate_hz)), np.int16)


def _mono(frame: AudioFrame) -> NDArray[np.int16]:
    """The mean of its channels, which stand side by side: [1, S * C] to [S]."""
    channels = len(frame.layout.channels)
    samples = frame.to_ndarray().astype(np.int16, copy=False).reshape(-1, channels)
    return samples[:, 0] if channels == 1 else samples.mean(axis=1).astype(np.int16)
