"""Rates and durations as exact derivations, and the two clocks that everything takes time from."""

from __future__ import annotations

import time
from typing import Protocol


def exact_div(numerator: int, denominator: int) -> int:
    """Divide, and fail loudly where the division leaves a remainder."""
    quotient, remainder = divmod(numerator, denominator)
    assert remainder == 0, f"{numerator} is not a multiple of {denominator}"
    return quotient


LISTEN_RATE_HZ = 16_000  # Whisper, silero and smart-turn all hear at this rate
WIRE_RATE_HZ = 24_000  # PCM16 of the Realtime protocol
TELEPHONE_RATE_HZ = 8_000  # G.711

VAD_WINDOW_SAMPLES = 512  # silero's window at LISTEN_RATE_HZ
VAD_WINDOW_MS = exact_div(VAD_WINDOW_SAMPLES * 1000, LISTEN_RATE_HZ)  # 32


class Clock(Protocol):
    """A source of monotonic time."""

    def now_s(self) -> float:
        """Seconds since an arbitrary fixed moment; never runs backwards."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()


class FakeClock:
    """A clock that moves only when told to, for tests and simulations."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        assert seconds >= 0, f"time cannot run backwards: {seconds}"
        self._now_s += seconds
