"""From sound that is early to sound that is exact, without a seam.

The exact stream looks ahead and so begins late. Until then an utterance may be heard from frames
decoded without what follows them. The end of each such piece, which lacks it most, is held back;
over its first samples the piece fades into the one after it. The exact stream takes over in the
same way, as soon as it has come past what was heard. From there on it is passed through untouched.
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

    def __init__(self, early: bool, held_samples: int = FADE_SAMPLES) -> None:
        """`held_samples`: how much of an early piece is held back, at least a fade."""
        assert held_samples >= FADE_SAMPLES, held_samples
        self._held_samples = held_samples
        self.exact = not early  # the exact stream has taken over
        self.returned = 0  # samples
        self._fading = _NOTHING  # early samples that follow those returned, for a fade
        self._known = 0  # samples of the exact stream
        self._waiting = _NOTHING  # those of them that are not returned yet

    def provisional(self, samples: Samples, start: int) -> Samples:
        """A piece whose first sample is the utterance's `start` -> what is to be heard now."""
        assert not self.exact, "the exact stream has taken over"
        assert start <= self.returned, (start, self.returned)
        joined = self._faded_into(samples[self.returned - start :])
        count = len(joined) - self._held_samples
        assert count >= FADE_SAMPLES, "a piece shorter than its fade"
        self._fading = joined[count : count + FADE_SAMPLES]
        return self._give(joined[:count])

    def stream(self, samples: Samples) -> Samples:
        """More of the exact stream, from its first sample on -> what is to be heard now."""
        new = samples[max(0, self.returned - self._known) :]
        self._known += len(samples)
        self._waiting = np.concatenate([self._waiting, new])
        if len(self._waiting) < len(self._fading):
            return _NOTHING
        self.exact = True
        joined, self._fading = self._faded_into(self._waiting), _NOTHING
        return self._give(joined)

    def _faded_into(self, samples: Samples) -> Samples:
        """`samples`, with the end of the piece before fading out over their beginning."""
        count = len(self._fading)
        if count == 0:
            return samples
        faded = self._fading + _RISING * (samples[:count] - self._fading)
        return np.concatenate([faded, samples[count:]])

    def _give(self, samples: Samples) -> Samples:
        self.returned += len(samples)
        self._waiting = self._waiting[len(samples) :]
        return samples
