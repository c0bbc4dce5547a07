"""Rates with Wilson intervals, quantiles with bootstrap intervals; all at 95 %."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_Z = 1.959964  # 97.5 % point of the normal distribution
_RESAMPLES = 2000


@dataclass(frozen=True)
class Figure:
    """A number, where it may lie, and from how many scenes it is. None: nothing was measured."""

    value: float | None
    low: float | None
    high: float | None
    count: int
    unit: str

    def shown(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "-"
        digits = 1 if self.unit == "%" else 0
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"

    def numbers(self) -> dict[str, Any]:
        return {
            "value": _rounded(self.value),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "count": self.count,
            "unit": self.unit,
        }


def rate(hits: int, count: int) -> Figure:
    """A share in %, with the Wilson score interval."""
    if count == 0:
        return Figure(None, None, None, 0, "%")
    share, spread = hits / count, _Z * _Z / count
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Figure(100 * share, 100 * low, 100 * high, count, "%")


def quantile_ms(values_s: Sequence[float], share: float) -> Figure:
    """A quantile in ms; its interval is that of quantiles of resampled values."""
    if not values_s:
        return Figure(None, None, None, 0, "ms")
    values = 1000 * np.asarray(values_s)
    random = np.random.default_rng(len(values_s))
    drawn = random.choice(values, (_RESAMPLES, len(values)))
    low, high = np.quantile(np.quantile(drawn, share, axis=1), (0.025, 0.975))
    return Figure(float(np.quantile(values, share)), float(low), float(high), len(values), "ms")


def per_minute(times: int, seconds: float, count: int) -> Figure:
    """How often, with the interval of a Poisson count (Byar's approximation)."""
    if seconds == 0:
        return Figure(None, None, None, 0, "/min")
    more = times + 1
    low = 0.0 if times == 0 else times * _byar(times, -1)
    high = more * _byar(more, 1)
    scale = 60 / seconds
    return Figure(times * scale, low * scale, high * scale, count, "/min")


def _byar(times: int, sign: int) -> float:
    return float((1 - 1 / (9 * times) + sign * _Z / (3 * math.sqrt(times))) ** 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
