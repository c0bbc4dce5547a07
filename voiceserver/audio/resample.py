"""Streaming sample-rate conversion of voices that are heard: chunked equals whole."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray


class StreamingResampler:
    """Converts one stream of mono int16.

    It works in blocks and holds back 20 to 40 ms of sound, which costs nothing where sound is made
    ahead. What listens has `PolyphaseResampler`.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._same = from_hz == to_hz
        self._from_hz, self._to_hz = from_hz, to_hz
        self._stream = self._fresh()

    def _fresh(self) -> soxr.ResampleStream:
        return soxr.ResampleStream(self._from_hz, self._to_hz, 1, dtype="float32")

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Convert the next chunk."""
        if self._same:
            return samples
        return _rounded(self._stream.resample_chunk(samples.astype(np.float32)))

    def flush(self) -> NDArray[np.int16]:
        """What the filter still holds; the next chunk begins a new stream."""
        if self._same:
            return np.zeros(0, np.int16)
        tail = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        self._stream = self._fresh()
        return _rounded(tail)


def _rounded(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """To whole numbers without soxr's dither, so that silence stays silence."""
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
