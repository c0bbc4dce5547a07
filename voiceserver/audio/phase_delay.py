"""Where in a reference a recording comes from, by phase: a third of a second tells.

Cross-correlation with the spectrum flattened (the phase transform, PHAT: Knapp and Carter 1976),
flattened only in part, so that bands of mere noise count less.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ

Samples = NDArray[np.float32]

LOWEST_HZ, HIGHEST_HZ = 200.0, 3800.0
FLATTENING = 0.7  # 0: plain correlation; 1: phase alone
_FEWER = 2  # delays in steps of so many samples
_SIZE_STEP = 4096  # transforms of such sizes are fast


class PhaseDelay(NamedTuple):
    """How late a recording is, and how far that delay stands out."""

    samples: int
    sharpness: float  # the peak over the root mean square of all delays; 4 to 7 by chance


NOWHERE = PhaseDelay(0, 0.0)


def phase_delay(recording: Samples, reference: Samples) -> PhaseDelay:
    """The delay at which the reference, which ends when the recording does, is found in it.

    recording: [n], reference: [n + most delay], both at LISTEN_RATE_HZ.
    """
    if not reference.any():
        return NOWHERE
    most_delay = len(reference) - len(recording)
    size = -(-len(reference) // _SIZE_STEP) * _SIZE_STEP  # wrapping spoils longer delays only
    bins = size // (2 * _FEWER) + 1  # up to 4 kHz: what is above is left out
    cross = np.fft.rfft(reference, size)[:bins] * np.conj(np.fft.rfft(recording, size)[:bins])
    hz = np.arange(bins) * (LISTEN_RATE_HZ / size)
    cross *= (hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)
    cross /= (np.abs(cross) + 1e-12) ** FLATTENING
    # Where the recording would begin in the reference: at its end, if there is no delay.
    found = np.abs(np.fft.irfft(cross, size // _FEWER)[: most_delay // _FEWER + 1])
    spread = float(np.sqrt(np.mean(np.square(found))))
    at = int(found.argmax())
    return PhaseDelay(most_delay - at * _FEWER, float(found[at]) / spread if spread > 0 else 0.0)
