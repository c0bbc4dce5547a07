"""What the engine expects of every user after a window: by the duplex policy, or by loudness alone.

A forecaster steps all slots together and returns their windows with a forecast in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from voiceserver.config import TurnTakingName, policy_folder
from voiceserver.engine.family import Samples, Window


class Forecaster(Protocol):
    """Keeps a state by slot."""

    def reset(self, slot: int) -> None:
        """Forget what a slot has heard."""
        ...

    def step(self, windows: Sequence[Window], user: Samples, own: Samples) -> list[Window]:
        """The next window of some slots. user, own: [len(windows), 512]"""
        ...


def forecaster_of(turn_taking: TurnTakingName, slots: int) -> Forecaster | None:
    """Who forecasts, if anybody does."""
    if turn_taking == "duplex":
        from voiceserver.engine.listening.policy import PolicyForecaster  # imports torch

        return PolicyForecaster.load(policy_folder(), slots)
    if turn_taking == "energy":
        from voiceserver.engine.listening.energy import EnergyForecaster

        return EnergyForecaster(slots)
    return None
