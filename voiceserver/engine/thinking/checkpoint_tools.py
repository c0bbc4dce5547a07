"""Function calls in a model's own text, as Hermes and Qwen models write them.

`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, after what is to be said.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from typing import Any

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.thinking.chat_messages import messages, offered
from voiceserver.engine.tools import ToolCall, Tools

Wire = dict[str, Any]

BEGIN = "<tool_call>"
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|$)", re.DOTALL)


def understood(chat_template: str) -> bool:
    """Whether a chat template offers tools, and has them called, in this way."""
    return BEGIN in chat_template and "tools" in chat_template


def functions(tools: Tools) -> list[Wire]:
    """What a chat template is given of the tools."""
    return [] if tools.choice == "none" else offered(tools)


def template_messages(dialogue: Sequence[ChatMessage]) -> list[Wire]:
    """The dialogue with its calls and results, as chat templates take it."""
    wire = messages(dialogue)
    for message in wire:
        message["content"] = message["content"] or ""
        for call in message.get("tool_calls", ()):
            function = call["function"]
            function["arguments"] = json.loads(function["arguments"] or "{}")
    return wire


class CallSplitter:
    """Parts what a model says from what it calls."""

    def __init__(self) -> None:
        self._held = ""  # a call, or what may become one

    def push(self, text: str) -> str:
        """More of the model's text; returns what of it is to be said."""
        self._held += text
        at = self._held.find(BEGIN)
        if at < 0:
            at = next(i for i in range(len(self._held) + 1) if BEGIN.startswith(self._held[i:]))
        said, self._held = self._held[:at], self._held[at:]
        return said

    def rest(self) -> str:
        """At the end: what was held back and is no call."""
        return "" if self._held.startswith(BEGIN) else self._held

    def calls(self) -> tuple[ToolCall, ...]:
        """At the end: the calls; raises ValueError if one cannot be read."""
        return tuple(_call(text) for text in _CALL.findall(self._held))


def _call(text: str) -> ToolCall:
    given = json.loads(text)
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise ValueError("a call without a name")
    arguments = given.get("arguments") or {}
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are no object")
    written = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(f"call_{secrets.token_hex(12)}", given["name"], written)
