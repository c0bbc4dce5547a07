"""Calls on their way to somebody else, where the network asks us to whom once we have hung up.

Whoever nobody takes comes back by the same id, and the conversation goes on. Nothing is kept for
longer than a telephone rings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voiceserver.session.items import Item

PATIENCE_S = 120.0  # for the other side to be rung and to answer
MOST = 256  # at once; the oldest are forgotten


@dataclass(frozen=True)
class Handover:
    """Who wants whom, and all that was said before."""

    target: str
    asked: Item  # the model's call of the tool
    items: tuple[Item, ...]  # the conversation, that call included
    instructions: str


class Handovers:
    """Those under way, by the id of the call."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._under_way: dict[str, tuple[float, Handover]] = {}  # in order: (until when, what)

    def begin(self, call_id: str, handover: Handover) -> None:
        """We are about to hang up, so that this can be asked for."""
        self._forget_old()
        self._under_way.pop(call_id, None)
        self._under_way[call_id] = self._now_s() + PATIENCE_S, handover
        if len(self._under_way) > MOST:
            del self._under_way[next(iter(self._under_way))]

    def target(self, call_id: str) -> str | None:
        """To whom a call goes, if to anybody."""
        self._forget_old()
        _, handover = self._under_way.get(call_id, (0.0, None))
        return None if handover is None else handover.target

    def end(self, call_id: str) -> Handover | None:
        """It has been taken, or has come back."""
        self._forget_old()
        _, handover = self._under_way.pop(call_id, (0.0, None))
        return handover

    def _forget_old(self) -> None:
        now_s = self._now_s()
        while self._under_way:
            call_id, (until_s, _) = next(iter(self._under_way.items()))
            if until_s > now_s:
                return
            del self._under_way[call_id]
