"""When things happened: wall time of audio samples, and how long each step of a turn took."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voiceserver.clock import LISTEN_RATE_HZ

_ANCHORS = 4096  # at 20 ms a packet about 80 s, more than any backlog


class AudioClock:
    """Counts received samples and remembers when each packet came."""

    def __init__(self) -> None:
        self.received_samples = 0
        self._anchors: deque[tuple[int, float]] = deque(maxlen=_ANCHORS)  # (samples so far, wall)

    def received(self, samples: int, now_s: float) -> None:
        self.received_samples += samples
        self._anchors.append((self.received_samples, now_s))

    def wall_s(self, sample: int) -> float | None:
        """When this sample was received; None where that is forgotten."""
        arrival_s: float | None = None
        for end_sample, at_s in reversed(self._anchors):
            if end_sample < sample:
                break
            arrival_s = at_s
        return arrival_s


def to_ms(samples: int) -> int:
    """Samples of the listening rate as milliseconds of the audio clock."""
    return samples * 1000 // LISTEN_RATE_HZ


def to_samples(ms: int) -> int:
    """Milliseconds of the audio clock as samples of the listening rate."""
    return ms * LISTEN_RATE_HZ // 1000


@dataclass
class TurnMarks:
    """Wall times of one turn's steps; the end of the user's last word is their origin."""

    speech_end_ms: int  # on the audio clock
    speech_end_s: float  # wall
    end_of_turn_s: float | None = None
    recognised_s: float | None = None
    first_text_s: float | None = None
    first_audio_s: float | None = None

    def since_speech_ms(self, at_s: float | None) -> float | None:
        """Milliseconds from the user's last word to this moment."""
        return None if at_s is None else round((at_s - self.speech_end_s) * 1000, 1)
