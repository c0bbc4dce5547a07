"""Replies on their way from a background thread to the loop, which never waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voiceserver.engine.family import Task
from voiceserver.engine.messages import EndReason
from voiceserver.engine.thinking.thinker import Thinking

APOLOGY = "Sorry, I cannot think of an answer right now. Please try again in a moment."
APOLOGY_MIDWAY = "... Sorry, I have lost the thread. Please ask me again."


@dataclass(eq=False)
class Thought:
    """One reply; the thread puts, the loop takes."""

    slot: int
    task: Task
    dropped: bool = False  # nobody wants more of it
    written: deque[Thinking] = field(default_factory=deque)


class Desk:
    """The replies of all slots that are under way."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._thoughts: dict[int, Thought] = {}

    def open(self, slot: int, task: Task) -> Thought:
        thought = self._thoughts[slot] = Thought(slot, task)
        return thought

    def drop(self, slot: int) -> Thought | None:
        """Nothing more of a slot's reply is taken; returns it, if there is one."""
        thought = self._thoughts.pop(slot, None)
        if thought is not None:
            thought.dropped = True
        return thought

    def has_more(self, slot: int) -> bool:
        thought = self._thoughts.get(slot)
        return thought is not None and bool(thought.written)

    def take(self, slots: Sequence[int]) -> list[Thinking]:
        """The next piece of each slot's reply, where one has come."""
        thinking = [self._thoughts[s].written.popleft() for s in slots if self.has_more(s)]
        for piece in thinking:
            if piece.ended is not None:
                del self._thoughts[piece.slot]
        return thinking

    def put(self, thought: Thought, thinking: Thinking) -> None:
        """On the thread: more of a reply."""
        thought.written.append(thinking)
        self._wake()


def apology(thought: Thought, reason: str, begun: bool) -> Thinking:
    """The end of a reply that could not be finished.

    One that is spoken costs the caller nothing: they hear an apology instead of the rest of it. A
    written reply is read by programs; it ends failed.
    """
    if not thought.task.speak:
        message = f"The thinker failed: {reason}."
        return Thinking(thought.slot, "", EndReason.FAILED, failure=reason, message=message)
    text = APOLOGY_MIDWAY if begun else APOLOGY
    return Thinking(thought.slot, text, EndReason.COMPLETED, failure=reason)
