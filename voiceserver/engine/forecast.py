"""What the duplex policy expects after each window of the user's audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# What the user is about to do. silent: nobody is in a turn. goes_on: in a turn, speaking or in a
# pause that will not be its end. yields: the turn is over now, until the assistant speaks.
# interrupts: takes the floor while we speak. backchannels: "mm-hm" while we speak. elsewhere: a
# sound that is not for us: a noise, our own echo, somebody who talks to somebody else.
USER_FORECAST: Final = ("silent", "goes_on", "yields", "interrupts", "backchannels", "elsewhere")
# What a good partner does next.
OWN_FORECAST: Final = ("silent", "start", "go_on", "stop", "backchannel")


@dataclass(frozen=True)
class Forecast:
    """Calibrated probabilities after a window; those of each side add up to 1."""

    user: tuple[float, ...]  # in the order of USER_FORECAST
    own: tuple[float, ...]  # in the order of OWN_FORECAST
