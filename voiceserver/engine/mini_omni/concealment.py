"""Frames that cannot be decoded: an id of theirs is no entry of a codebook.

The language model may write such ids (its padding and end marks, in the wrong place). The frame is
replaced by the last good one and fades, to silence within two frames; the next good frame comes
back quickly. Before the first good frame there is silence.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voiceserver.engine.family import Samples

FADING_FRAMES: Final = 2
RETURN_SAMPLES: Final = 256


class Concealment:
    """What became of the bad frames of one utterance."""

    def __init__(self, codebook_size: int, frame_codes: int, frame_samples: int) -> None:
        self._codebook_size, self._frame_samples = codebook_size, frame_samples
        self._last_good: NDArray[np.int64] | None = None
        self._silence = np.zeros(frame_codes, np.int64)
        self._frames = 0
        # The gain: linear between these (sample, gain), constant beyond. None: it was never but 1.
        self._gain = 1.0
        self._knots: list[tuple[int, float]] = []
        self.concealed_frames = 0

    def decodable(self, codes: NDArray[np.integer]) -> NDArray[np.int64]:
        """The next frame, or what to decode in its place. codes: [frame_codes]"""
        start, self._frames = self._frames * self._frame_samples, self._frames + 1
        if ((codes >= 0) & (codes < self._codebook_size)).all():
            if self._gain < 1:
                self._ramp(start, start + RETURN_SAMPLES, 1.0)
            self._last_good = codes.astype(np.int64)
            return self._last_good
        self.concealed_frames += 1
        if self._last_good is None:
            self._gain = 0.0
            self._knots = [(0, 0.0)]
            return self._silence
        if self._gain > 0:
            self._ramp(start, start + self._frame_samples, max(0.0, self._gain - 1 / FADING_FRAMES))
        return self._last_good

    def faded(self, samples: Samples, start: int) -> Samples:
        """Decoded samples, the first of them the utterance's `start`, with the gain applied."""
        if not self._knots:
            return samples
        places, gains = zip(*self._knots, strict=True)
        times = np.arange(start, start + len(samples))
        faded: Samples = (samples * np.interp(times, places, gains)).astype(np.float32)
        return faded

    def _ramp(self, start: int, end: int, gain: float) -> None:
        self._knots += [(start, self._gain), (end, gain)]
        self._gain = gain
