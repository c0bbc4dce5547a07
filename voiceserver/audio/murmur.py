"""What a pause after speech sounds like, where no real one is at hand."""

from __future__ import annotations

import numpy as np

from voiceserver.audio.mel import Floats
from voiceserver.clock import LISTEN_RATE_HZ


def murmur_then_silence(samples: int) -> Floats:
    """One second of a voice-like buzz in a very quiet room, then the room alone: [samples]

    The buzz sets the level that Whisper's features are scaled by; use what comes after it.
    """
    time_s = np.arange(LISTEN_RATE_HZ) / LISTEN_RATE_HZ
    pitch_hz = 120.0 * (1.0 + 0.1 * np.sin(2 * np.pi * 2.0 * time_s))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / LISTEN_RATE_HZ
    buzz = sum(np.sin(k * phase) / k for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 3.0 * time_s), 0.0, 1.0)
    room = np.random.default_rng(1).normal(scale=1e-4, size=samples)
    room[:LISTEN_RATE_HZ] += (0.15 * buzz * syllables)[:samples]
    return room.astype(np.float32)
