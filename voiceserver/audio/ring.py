"""The recent past of one microphone, addressed by absolute sample positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

INT16_SCALE = np.float32(1.0 / 32768.0)


class SampleRing:
    """Keeps the last `capacity` samples; the first sample ever written is at `first`."""

    def __init__(self, capacity: int, first: int = 0) -> None:
        self._samples = np.zeros(capacity, np.int16)
        self._first = self._written = first

    @property
    def end(self) -> int:
        """Position after the newest sample."""
        return self._written

    @property
    def begin(self) -> int:
        """Position of the oldest sample still kept."""
        return max(self._first, self._written - len(self._samples))

    def write(self, pcm16: bytes) -> None:
        """Append int16 little-endian samples; an odd last byte is ignored."""
        new = np.frombuffer(pcm16, "<i2", count=len(pcm16) // 2)
        kept = new[-len(self._samples) :]
        first = (self._written + len(new) - len(kept)) % len(self._samples)
        room = len(self._samples) - first
        self._samples[first : first + len(kept)] = kept[:room]
        self._samples[: max(0, len(kept) - room)] = kept[room:]
        self._written += len(new)

    def read(self, begin: int, end: int) -> NDArray[np.float32]:
        """Samples `[begin, end)` as -1..1; what is no longer, or not yet, there is left out."""
        begin, end = max(begin, self.begin), min(end, self._written)
        if begin >= end:
            return np.zeros(0, np.float32)
        first, count = begin % len(self._samples), end - begin
        found = self._samples[first : first + count]
        if len(found) < count:  # the rest stands at the ring's beginning
            found = np.concatenate([found, self._samples[: count - len(found)]])
        return found.astype(np.float32) * INT16_SCALE

    def clear(self) -> None:
        """Start again at the first position."""
        self._written = self._first
