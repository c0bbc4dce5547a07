"""A reply's task as the body of a chat-completions request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.tools import ToolCall, Tools

Wire = dict[str, Any]

NO_RESULT = "(no result yet)"


def request_body(model: str, task: Task, *, plain: bool) -> Wire:
    """What is posted. `plain` leaves out what some endpoints refuse."""
    body: Wire = {"model": model, "messages": messages(task.dialogue), "stream": True}
    body |= _tools(task.tools)
    if not task.open_ended:
        body["max_completion_tokens" if plain else "max_tokens"] = task.max_tokens
    if not plain:
        body["stream_options"] = {"include_usage": True}
        if task.temperature > 0:  # else the endpoint's own default, for lack of a wish
            body["temperature"] = task.temperature
    return body


def messages(dialogue: Sequence[ChatMessage]) -> list[Wire]:
    """The dialogue in chat format.

    Endpoints want the calls of one reply in one message, and exactly one result for each right
    after it. A conversation may have gone on before a result came, or lack a call or a result.
    """
    results = {m.call_id: m.text for m in dialogue if m.role == "tool"}
    wire: list[Wire] = []
    calls: list[ToolCall] = []  # of the reply being put together
    for message in dialogue:
        if message.call is not None:
            calls.append(message.call)
        elif message.role != "tool":
            _add_calls(wire, calls, results)
            wire.append({"role": message.role, "content": _content(message)})
    _add_calls(wire, calls, results)
    return wire


def _content(message: ChatMessage) -> str | list[Wire]:
    """A message's text, or its text and images as parts."""
    if not message.images:
        return message.text
    parts: list[Wire] = [{"type": "text", "text": message.text}] if message.text else []
    for image in message.images:
        detail = {} if image.detail is None else {"detail": image.detail}
        parts.append({"type": "image_url", "image_url": {"url": image.url, **detail}})
    return parts


def _add_calls(wire: list[Wire], calls: list[ToolCall], results: dict[str, str]) -> None:
    if not calls:
        return
    if not wire or wire[-1]["role"] != "assistant":
        wire.append({"role": "assistant", "content": None})
    wire[-1]["tool_calls"] = [
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
    for call in calls:
        result = results.get(call.call_id, NO_RESULT)
        wire.append({"role": "tool", "tool_call_id": call.call_id, "content": result})
    calls.clear()


def _tools(tools: Tools) -> Wire:
    if not tools.functions:
        return {}
    choice: Any = tools.choice
    if tools.choice == "function":
        choice = {"type": "function", "function": {"name": tools.function_name}}
    wire: Wire = {"tools": offered(tools), "tool_choice": choice}
    return wire if tools.parallel else wire | {"parallel_tool_calls": False}


def offered(tools: Tools) -> list[Wire]:
    """The functions as chat endpoints, and chat templates, take them."""
    return [
        {
            "type": "function",
            "function": {
                "name": function.name,
                "description": function.description,
                "parameters": function.parameters,
            },
        }
        for function in tools.functions
    ]
