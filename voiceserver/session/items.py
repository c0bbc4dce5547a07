"""Conversation items: messages with parts, and function calls. Immutable: a snapshot is free."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from voiceserver.engine.images import Image
from voiceserver.engine.tools import ToolCall
from voiceserver.session.served_tools import Served

PartKind = Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]
ItemKind = Literal[
    "message",
    "function_call",
    "function_call_output",
    "mcp_list_tools",
    "mcp_call",
    "mcp_approval_request",
    "mcp_approval_response",
]
Role = Literal["user", "assistant", "system"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


@dataclass(frozen=True)
class Part:
    """One content part. `text` is what was written or said; None until audio is transcribed."""

    kind: PartKind
    text: str | None
    image: Image | None = None  # None too once it has been forgotten


@dataclass(frozen=True)
class Item:
    """One entry of the conversation."""

    item_id: str
    kind: ItemKind = "message"
    role: Role | None = None
    parts: tuple[Part, ...] = ()
    status: ItemStatus = "completed"
    name: str = ""  # of a function call
    call_id: str = ""
    arguments: str = ""
    output: str = ""
    start_sample: int | None = None  # where a user's spoken message lies on the audio clock
    end_sample: int | None = None
    heard_s: float | None = None  # of a spoken reply that was cut short
    served: Served = field(default_factory=Served)  # of the kinds that begin with mcp

    @property
    def text(self) -> str:
        """All that is known of what the item says, as one line."""
        return " ".join(part.text for part in self.parts if part.text)

    @property
    def chars(self) -> int:
        """How much room it takes."""
        listed = sum(len(str(tool)) for tool in self.served.tools)
        return len(self.text) + len(self.name) + len(self.arguments) + len(self.output) + listed

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(part.image for part in self.parts if part.image is not None)

    @property
    def image_chars(self) -> int:
        """How much room its images take."""
        return sum(len(image.url) for image in self.images)

    def without_images(self) -> Item:
        """The same item with its images forgotten."""
        return replace(self, parts=tuple(replace(part, image=None) for part in self.parts))

    @property
    def is_spoken_reply(self) -> bool:
        return self.role == "assistant" and any(p.kind == "output_audio" for p in self.parts)

    @property
    def is_spoken_by_user(self) -> bool:
        return self.role == "user" and any(p.kind == "input_audio" for p in self.parts)

    @property
    def awaits_text(self) -> bool:
        """Whether some audio part has not been transcribed yet."""
        return any(part.kind == "input_audio" and part.text is None for part in self.parts)

    def with_part_text(self, index: int, text: str) -> Item:
        """The same item with one part's text replaced."""
        parts = list(self.parts)
        parts[index] = replace(parts[index], text=text)
        return replace(self, parts=tuple(parts))


def spoken_by_user(item_id: str, text: str | None, span: tuple[int, int] | None = None) -> Item:
    """A user's spoken message; `span` is where it lies on the audio clock."""
    start, end = span if span is not None else (None, None)
    parts = (Part("input_audio", text),)
    return Item(item_id, role="user", parts=parts, start_sample=start, end_sample=end)


def assistant_message(item_id: str, text: str, *, spoken: bool, status: ItemStatus) -> Item:
    """The assistant's message, spoken or written."""
    part = Part("output_audio" if spoken else "output_text", text)
    return Item(item_id, role="assistant", parts=(part,), status=status)


def function_call(item_id: str, call: ToolCall) -> Item:
    """A function call of the assistant's."""
    kind: ItemKind = "function_call"
    return Item(item_id, kind, call_id=call.call_id, name=call.name, arguments=call.arguments)
