"""What a family asks of whoever writes its replies, on this machine or behind an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage, EndReason
from voiceserver.engine.tools import ToolCall


@dataclass(frozen=True)
class Thinking:
    """What one step added to a slot's reply."""

    slot: int
    text: str
    ended: EndReason | None = None
    prompt_tokens: int = 0
    text_tokens: int = 0
    calls: tuple[ToolCall, ...] = ()  # with the end
    failure: str = ""  # why it ends early, in a word; an apology is part of the text
    message: str = ""  # what went wrong, when FAILED
    complete: float | None = None  # with the first: see TextDelta


class Thinker(Protocol):
    """Writes replies for numbered slots. No call waits for anything."""

    @property
    def calls_tools(self) -> bool: ...

    @property
    def reads_images(self) -> bool: ...

    @property
    def dialogue_chars(self) -> int:
        """How much of a dialogue it reads."""
        ...

    @property
    def reads_ahead(self) -> bool:
        """Whether `read_ahead` is of use."""
        ...

    @property
    def cold(self) -> bool:
        """Whether `warm` has more to do, at times when nobody waits for a reply."""
        ...

    def warm(self) -> None: ...

    def read_ahead(self, slot: int, dialogue: tuple[ChatMessage, ...]) -> None:
        """A reply to a dialogue that begins so may soon be wanted."""
        ...

    def begin(self, slot: int, task: Task) -> None:
        """Start a reply; an earlier one of this slot has been stopped."""
        ...

    def stop(self, slot: int) -> None:
        """Drop a slot's reply, if there is one."""
        ...

    def forget(self, slot: int) -> None:
        """The session in this slot is over."""
        ...

    def has_more(self, slot: int) -> bool:
        """Whether a step would bring this slot's reply on now."""
        ...

    def step(self, slots: Sequence[int]) -> list[Thinking]:
        """Bring on the replies of these slots, which all have one that has not ended."""
        ...

    def shut_down(self) -> None:
        """End background threads."""
        ...
