"""Images that users show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Image:
    """One image, as thinkers at chat endpoints take it."""

    url: str  # data: with all of it, or https:
    detail: Literal["auto", "low", "high"] | None = None  # how closely to look
