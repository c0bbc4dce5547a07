"""Samples as the wire's bytes and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_pcm16(samples: NDArray[np.float32]) -> bytes:
    """Mono int16 little-endian; what is too loud is clipped, what is no number is silent."""
    if not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()


def from_pcm16(pcm16: bytes) -> NDArray[np.float32]:
    """[S] in -1..1."""
    return np.frombuffer(pcm16, "<i2").astype(np.float32) / np.float32(32768)
