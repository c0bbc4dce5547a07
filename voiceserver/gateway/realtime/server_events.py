"""The server's events: one builder for each shape, with every field the clients ask for.

`event_id` is added when an event is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from voiceserver.gateway.realtime.settings import ReplySound
from voiceserver.gateway.realtime.wire_items import item_wire
from voiceserver.session.items import Item
from voiceserver.session.notices import CalledItem, ReplyInfo
from voiceserver.session.usage import Usage

Wire = dict[str, Any]


def error(
    message: str,
    *,
    code: str,
    kind: str = "invalid_request_error",
    param: str | None = None,
    event_id: str | None = None,
) -> Wire:
    """An error; `event_id` is that of the client's event which caused it."""
    return {
        "type": "error",
        "error": {
            "type": kind,
            "code": code,
            "message": message,
            "param": param,
            "event_id": event_id,
        },
    }


def item_event(name: str, item: Item, previous_item_id: str | None, *, begun_only: bool) -> Wire:
    """conversation.item.added and .done."""
    return {
        "type": f"conversation.item.{name}",
        "previous_item_id": previous_item_id,
        "item": item_wire(item, begun_only=begun_only),
    }


def transcription_completed(item_id: str, index: int, text: str, audio_s: float) -> Wire:
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item_id,
        "content_index": index,
        "transcript": text,
        "usage": {"type": "duration", "seconds": round(audio_s, 3)},
    }


def transcription_delta(item_id: str, index: int, text: str) -> Wire:
    return {
        "type": "conversation.item.input_audio_transcription.delta",
        "item_id": item_id,
        "content_index": index,
        "delta": text,
    }


def transcription_failed(item_id: str, index: int, message: str) -> Wire:
    return {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": item_id,
        "content_index": index,
        "error": {
            "type": "transcription_error",
            "code": "audio_unintelligible",
            "message": message,
            "param": None,
        },
    }


def usage_wire(usage: Usage) -> Wire:
    """Token counts with all their detail objects."""
    output_tokens = usage.text_tokens + usage.audio_tokens
    return {
        "total_tokens": usage.input_tokens + output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": output_tokens,
        "input_token_details": {
            "text_tokens": usage.input_tokens,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {
            "text_tokens": usage.text_tokens,
            "audio_tokens": usage.audio_tokens,
        },
    }


def response_wire(reply: ReplyInfo, sound: ReplySound, conversation_id: str) -> Wire:
    """The `response` object of response.created and response.done."""
    over = reply.status != "in_progress"
    return {
        "object": "realtime.response",
        "id": reply.response_id,
        "status": reply.status,
        "status_details": _status_details(reply),
        "output": [item_wire(item) for item in reply.items],
        "conversation_id": conversation_id if reply.in_conversation else None,
        "output_modalities": ["audio" if reply.speak else "text"],
        "max_output_tokens": reply.max_output_tokens,
        "audio": {"output": {"format": sound.format.wire(), "voice": sound.voice}},
        "usage": usage_wire(reply.usage) if over else None,
        "metadata": reply.metadata,
    }


def _status_details(reply: ReplyInfo) -> Wire | None:
    if reply.status in ("in_progress", "completed"):
        return None
    details: Wire = {"type": reply.status}
    if reply.reason is not None:
        details["reason"] = reply.reason
    if reply.error_code is not None:
        details["error"] = {
            "type": "server_error",
            "code": reply.error_code,
            "message": reply.error_message,
        }
    return details


def response_event(kind: str, reply: ReplyInfo, **fields: Any) -> Wire:
    """A streaming event of the reply's only message and its only part."""
    return {
        "type": f"response.{kind}",
        "response_id": reply.response_id,
        "item_id": reply.item_id,
        "output_index": 0,
        "content_index": 0,
        **fields,
    }


def output_item_event(
    kind: str, reply: ReplyInfo, item: Item, *, begun_only: bool = False, output_index: int = 0
) -> Wire:
    """response.output_item.added and .done."""
    return {
        "type": f"response.output_item.{kind}",
        "response_id": reply.response_id,
        "output_index": output_index,
        "item": item_wire(item, begun_only=begun_only),
    }


def call_events(reply: ReplyInfo, called: CalledItem, output_index: int) -> Iterator[Wire]:
    """All events of a call, from its beginning to where the response leaves it."""
    item, before = called.item, called.previous_item_id
    asks = item.kind == "mcp_approval_request"
    begun = item if asks else replace(item, status="in_progress", arguments="")
    yield output_item_event("added", reply, begun, output_index=output_index)
    if reply.in_conversation:
        yield item_event("added", begun, before, begun_only=False)
    if not asks:
        yield from _argument_events(reply, item, output_index)
    if reply.in_conversation and item.kind != "mcp_call":  # that one has its result to come
        yield item_event("done", item, before, begun_only=False)
    yield output_item_event("done", reply, item, output_index=output_index)


def _argument_events(reply: ReplyInfo, item: Item, output_index: int) -> Iterator[Wire]:
    address: Wire = {
        "response_id": reply.response_id,
        "item_id": item.item_id,
        "output_index": output_index,
    }
    done: Wire = {"arguments": item.arguments}
    if item.kind == "function_call":
        address["call_id"] = item.call_id
        done["name"] = item.name
    kind = f"response.{item.kind}_arguments"
    yield {"type": f"{kind}.delta", **address, "delta": item.arguments}
    yield {"type": f"{kind}.done", **address, **done}


def part_wire(reply: ReplyInfo, text: str) -> Wire:
    """The reply's content part."""
    return {"type": "audio", "transcript": text} if reply.speak else {"type": "text", "text": text}
