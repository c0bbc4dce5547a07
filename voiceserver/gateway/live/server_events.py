"""The server's events: one builder for each shape. `event_id` is added when an event is sent."""

from __future__ import annotations

from typing import Any

from voiceserver.session.usage import Usage

Wire = dict[str, Any]


def error(
    message: str, *, code: str, kind: str, param: str | None = None, event_id: str | None = None
) -> Wire:
    """An error; `event_id` is that of the client's event which caused it."""
    details = {"type": kind, "code": code, "message": message}
    if param is not None:
        details["param"] = param
    if event_id is not None:
        details["client_event_id"] = event_id
    return {"type": "error", "error": details}


def info(code: str, message: str) -> Wire:
    return {"type": "info", "code": code, "message": message}


def transcript(side: str, text: str, start_ms: int, end_ms: int) -> Wire:
    """A fragment of what `input` or `output` said."""
    kind = f"session.{side}_transcript.delta"
    return {"type": kind, "delta": text, "start_ms": start_ms, "end_ms": end_ms}


def delegation_created(
    delegation_id: str, target: str, offset_ms: int, response_id: str | None = None
) -> Wire:
    delegation = {"id": delegation_id, "target": target, "type": "delegation"}
    if response_id is not None:
        delegation["response_id"] = response_id
    kind = "session.delegation.created"
    return {"type": kind, "delegation": delegation, "offset_ms": offset_ms}


def response_event(delegation_id: str | None, kind: str, **fields: Any) -> Wire:
    """An event of the Responses protocol inside one of ours."""
    event = {"type": f"response.{kind}", **fields}
    return {"type": "response.event", "delegation_id": delegation_id, "event": event}


def response_wire(
    response_id: str, model: str, status: str, *, usage: Usage | None = None, reason: str = ""
) -> Wire:
    """A response as lifecycle events show it: what it put out comes in events of its own."""
    wire: Wire = {"id": response_id, "object": "response", "status": status, "model": model}
    wire |= {"output": [], "tools": [], "instructions": None}
    if usage is not None:
        written = usage.text_tokens + usage.audio_tokens
        wire["usage"] = {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input_tokens + written,
        }
    if status == "incomplete":
        wire["incomplete_details"] = {"reason": reason}
    if status == "failed":
        wire["error"] = {"code": "server_error", "message": reason}
    return wire
