"""Training runs measured in time: how far they are, and what that means for the step size."""

import math
from collections.abc import Callable
from dataclasses import dataclass

WARM_UP_SHARE = 0.02


@dataclass(frozen=True)
class Progress:
    step: int
    share: float  # of the time that is to be spent
    losses: dict[str, float]


Report = Callable[[Progress], None]


def learning_rate_share(share: float) -> float:
    """Linear warm-up, then half a cosine to nothing, over the share of the time that is spent."""
    if share < WARM_UP_SHARE:
        return share / WARM_UP_SHARE + 0.01
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
