"""A chat endpoint's stream of server-sent events, from bytes to pieces of a reply."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from voiceserver.engine.messages import EndReason
from voiceserver.engine.tools import ToolCall

MOST_LINE_BYTES = 2**20
_DONE = "[DONE]"
# What reading JSON of an unexpected shape may raise.
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class ChatFailed(Exception):
    """The endpoint did not do its part. Its text never holds what was said, nor a secret."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason  # one word, for metrics


class EventLines:
    """Cuts the stream into the data of its events; one line of data each, as all endpoints send."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_LINE_BYTES:
            raise ChatFailed("malformed", "a line of the stream does not end")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").decode(errors="replace").strip()


@dataclass
class _Call:
    call_id: str
    name: str = ""
    arguments: str = ""


@dataclass
class ChatStream:
    """What one stream has said so far."""

    end: EndReason | None = None  # named by the endpoint; usage may still follow
    over: bool = False  # nothing follows
    prompt_tokens: int = 0
    text_tokens: int = 0
    _calls: list[_Call] = field(default_factory=list)
    _at_index: dict[int, _Call] = field(default_factory=dict)  # the newest call of each index

    def take(self, data: str) -> str | None:
        """The next event's data; returns its text, or None if it brings the reply no further."""
        if data == _DONE:
            self.over, self.end = True, self.end or EndReason.COMPLETED
            return None
        try:
            return self._take(json.loads(data))
        except _UNREADABLE:
            raise ChatFailed("malformed", "an event of the stream cannot be read") from None

    def _take(self, event: Any) -> str | None:
        if event.get("error"):
            raise ChatFailed("error_event", "the stream reports an error")
        if usage := event.get("usage"):
            self.prompt_tokens = int(usage.get("prompt_tokens") or 0)
            self.text_tokens = int(usage.get("completion_tokens") or 0)
        if not (choices := event.get("choices")):
            return None
        choice = choices[0]
        delta = choice.get("delta") or {}
        text = delta.get("content") or ""
        if not isinstance(text, str):
            raise TypeError("content is no text")
        called = delta.get("tool_calls") or []
        for piece in called:
            self._take_call(piece)
        if reason := choice.get("finish_reason"):
            self.end = EndReason.MAX_TOKENS if reason == "length" else EndReason.COMPLETED
        return text if text or called else None

    def _take_call(self, piece: dict[str, Any]) -> None:
        """A part of a call. Some endpoints send whole calls and leave out index or id."""
        index, call_id = int(piece.get("index") or 0), piece.get("id")
        call = self._at_index.get(index)
        if call is None or (call_id and call_id != call.call_id):
            call = self._at_index[index] = _Call(str(call_id or f"call_{secrets.token_hex(12)}"))
            self._calls.append(call)
        function = piece.get("function") or {}
        call.name += function.get("name") or ""
        call.arguments += function.get("arguments") or ""

    def calls(self) -> tuple[ToolCall, ...]:
        """All calls of a reply that has ended whole; each with a name and arguments that parse."""
        if not all(call.name for call in self._calls):
            raise ChatFailed("malformed", "a tool call has no name")
        return tuple(
            ToolCall(call.call_id, call.name, _arguments(call.arguments)) for call in self._calls
        )


def _arguments(text: str) -> str:
    """A call's arguments, which must be a JSON object; none at all is an empty one."""
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ChatFailed("malformed", "the arguments of a tool call are no JSON object")
    return text or "{}"
