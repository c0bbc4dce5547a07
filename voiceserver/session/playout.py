"""What the client has heard, as far as a server can know: sent audio against the clock.

Clients play what they get in real time, one item after another, so the end of the sound moves on by
each piece's duration and never lies in the past when a piece is sent. The client's
`conversation.item.truncate` tells the truth. Clients that report what they have played (telephones
do, see `played`) are believed instead of the clock. Where the server itself plays (over WebRTC) it
reports what it has sent, and stops in `on_flushed`.
"""

from __future__ import annotations

from collections.abc import Callable

CLIENT_BUFFER_S = 0.15  # a usual jitter buffer: how much later than sent the sound is heard
TAIL_S = 0.25  # a room and a sound card go on a little after the last sample


class Playout:
    """Estimates the listener's position in what was sent."""

    def __init__(self) -> None:
        self.reported = False  # what has been played is reported: nothing else counts
        self.on_flushed: Callable[[], None] = _nobody  # told that what is unheard is not wanted
        self._reported_s = 0.0  # of the newest item
        self._ends_s = float("-inf")  # when the last sample sent will have been heard
        self._item_id: str | None = None
        self._sent_s = 0.0  # of the newest item
        self._heard_s = 0.0  # of it, for sure: a client that ran dry waits, but does not go back

    @property
    def item_id(self) -> str | None:
        """The item whose audio was sent last."""
        return self._item_id

    def sent(self, item_id: str, duration_s: float, now_s: float) -> None:
        """Note that audio was handed to the client."""
        if item_id != self._item_id:
            self._item_id, self._sent_s, self._reported_s, self._heard_s = item_id, 0.0, 0.0, 0.0
        self._heard_s = max(self._heard_s, self._sent_s - self.unheard_s(now_s))
        self._ends_s = max(self._ends_s, now_s + CLIENT_BUFFER_S) + duration_s
        self._sent_s += duration_s

    def played(self, item_id: str, played_s: float, now_s: float) -> None:
        """The client reports that it has played this much of an item."""
        if item_id == self._item_id:
            self._reported_s = min(played_s, self._sent_s)
            self._ends_s = now_s + self._sent_s - self._reported_s

    def unheard_s(self, now_s: float) -> float:
        """Seconds of sound sent but not yet heard."""
        return max(0.0, self._ends_s - now_s)

    def ahead_s(self, now_s: float) -> float:
        """Seconds of sound that the client holds and could throw away."""
        jitter_s = 0.0 if self.reported else CLIENT_BUFFER_S
        return max(0.0, self.unheard_s(now_s) - jitter_s)

    def heard_s(self, now_s: float) -> float:
        """Seconds of the newest item that have been heard."""
        if self.reported:
            return self._reported_s
        return max(self._heard_s, self._sent_s - self.unheard_s(now_s))

    def audible(self, now_s: float) -> bool:
        """Whether the assistant's voice may still be in the user's room."""
        return now_s < self._ends_s + TAIL_S

    def ends_s(self) -> float:
        """When the sound sent so far will have been heard."""
        return self._ends_s

    def flushed(self, now_s: float) -> None:
        """What had not been played is thrown away: nothing is unheard any more."""
        self._ends_s = min(self._ends_s, now_s)
        self.on_flushed()


def _nobody() -> None:
    """Who plays the sound learns of it from the events."""
