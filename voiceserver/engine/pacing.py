"""How much of a reply's sound has been made ahead of the listener's ear.

Playout is taken to start with the first sample made and to run with the clock; when it catches up
(an underrun) it starts anew with the next sample.
"""

from __future__ import annotations


class Playout:
    """One reply's sound: made, and heard so far by the clock."""

    def __init__(self) -> None:
        self._empty_at_s: float | None = None  # when everything made so far has been heard

    @property
    def begun(self) -> bool:
        return self._empty_at_s is not None

    def ahead_s(self, now_s: float) -> float:
        """Sound made and not yet heard, in seconds."""
        return 0.0 if self._empty_at_s is None else max(0.0, self._empty_at_s - now_s)

    def silent_s(self, now_s: float) -> float:
        """How long everything made so far has been heard; 0 while there is sound ahead."""
        return 0.0 if self._empty_at_s is None else max(0.0, now_s - self._empty_at_s)

    def add(self, duration_s: float, now_s: float) -> float:
        """Count sound just made; return how many seconds from now it will begin to be heard."""
        begins_in_s = self.ahead_s(now_s)
        self._empty_at_s = now_s + begins_in_s + duration_s
        return begins_in_s

    def due_in_s(self, now_s: float, frame_s: float, run_ahead_s: float) -> float:
        """Seconds until one more frame still fits under the run-ahead bound; 0 when it fits now."""
        return max(0.0, self.ahead_s(now_s) + frame_s - run_ahead_s)
