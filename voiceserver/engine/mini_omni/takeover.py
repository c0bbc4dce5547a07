"""From sound that is early to sound that is exact, without a seam.

The exact stream looks ahead and so begins late. Until then an utterance may be heard from frames
decoded without what follows them. Each such piece keeps back its last samples, over which it fades
into the piece after it; the exact stream takes over in the same way, as soon as it has come past
what was heard. From there on its samples are passed through untouched.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from voiceserver.engine.family import Samples

FADE_SAMPLES: Final = 256  # 10.7 ms

_RISING: Final = (
    0.5 - 0.5 * np.cos(math.pi * (np.arange(FADE_SAMPLES) + 0.5) / FADE_SAMPLES)
).astype(np.float32)
_NOTHING: Final = np.empty(0, np.float32)


class TakeOver:
    """The samples of one utterance, put together; every sample of it is returned exactly once."""

    def __init__(self, early: bool) -> None:
        self.exact = not early  # the exact stream has taken over
        self.returned = 0  # samples
        self._kept_back = _NOTHING  # early samples that follow those returned
        self._known = 0  # samples of the exact stream
        self._waiting = _NOTHING  # those of them that are not returned yet

    def provisional(self, samples: Samples, start: int) -> Samples:
        """A piece whose first sample is the utterance's `start` -> what is to be heard now."""
        assert not self.exact, "the exact stream has taken over"
        assert start <= self.returned < start + len(samples) - FADE_SAMPLES, (start, self.returned)
        joined = self._faded_into(samples[self.returned - start :])
        self._kept_back = joined[len(joined) - FADE_SAMPLES :]
        return self._give(joined[: len(joined) - FADE_SAMPLES])

    def stream(self, samples: Samples) -> Samples:
        """More of the exact stream, from its first sample on -> what is to be heard now."""
        new = samples[max(0, self.returned - self._known) :]
        self._known += len(samples)
        self._waiting = np.concatenate([self._waiting, new])
        if len(self._waiting) < len(self._kept_back):
            return _NOTHING
        self.exact = True
        joined, self._kept_back = self._faded_into(self._waiting), _NOTHING
        return self._give(joined)

    def _faded_into(self, samples: Samples) -> Samples:
        """`samples`, with what was kept back fading out over their beginning."""
        count = len(self._kept_back)
        if count == 0:
            return samples
        faded = self._kept_back + _RISING * (samples[:count] - self._kept_back)
        return np.concatenate([faded, samples[count:]])

    def _give(self, samples: Samples) -> Samples:
        self.returned += len(samples)
        self._waiting = self._waiting[len(samples) :]
        return samples
