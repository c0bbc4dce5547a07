"""Who speaks next: first those about to fall silent, the others as far ahead as they may be."""

from __future__ import annotations

from collections.abc import Mapping

from voiceserver.clock import Clock
from voiceserver.engine.family import Shape
from voiceserver.engine.pacing import Playout


class TalkOrder:
    """Chooses among slots that have a frame to speak, by what of their sound is still unheard."""

    def __init__(self, shape: Shape, clock: Clock, run_ahead_s: float) -> None:
        self._shape = shape
        self._clock = clock
        self._run_ahead_s = run_ahead_s

    def now(self, candidates: Mapping[int, Playout]) -> list[int]:
        """Slots with room under the run-ahead bound; only the urgent ones while there are any."""
        if urgent := self.urgent(candidates):
            return urgent
        if self.next_step_in_s(candidates) != 0.0:
            return []
        return [slot for slot, playout in candidates.items() if self._due_in_s(playout) == 0.0]

    def next_step_in_s(self, candidates: Mapping[int, Playout]) -> float | None:
        """How long no frame need be made; None: for ever.

        Where steps are best shared, the first that has room waits for one frame more, in which all
        others come to have room, too. A continuous family speaks by its own clock.
        """
        if self._shape.continuous:
            return 0.0 if candidates else None
        gathers = self._shape.gathers and len(candidates) > 1
        patience_s = self._shape.frame_s if gathers else 0.0
        return min((self._due_in_s(p, patience_s) for p in candidates.values()), default=None)

    def urgent(self, candidates: Mapping[int, Playout]) -> list[int]:
        """Slots about to fall silent, or not yet heard at all."""
        if self._shape.continuous:
            return list(candidates)
        now_s = self._clock.now_s()
        soon_s = self._shape.urgent_frames * self._shape.frame_s
        return [slot for slot, playout in candidates.items() if playout.ahead_s(now_s) < soon_s]

    def _due_in_s(self, playout: Playout, patience_s: float = 0.0) -> float:
        run_ahead_s = self._run_ahead_s - patience_s
        return playout.due_in_s(self._clock.now_s(), self._shape.frame_s, run_ahead_s)
