"""Conversation items between the protocol's JSON and the session's own form."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from voiceserver.errors import ClientError
from voiceserver.gateway.realtime.patches import Text, Tolerant
from voiceserver.gateway.realtime.wire_images import image_fields, read_image
from voiceserver.gateway.realtime.wire_mcp import mcp_fields
from voiceserver.session.items import Item, Part, PartKind
from voiceserver.session.served_tools import Served

Wire = dict[str, Any]
# What the parts of an assistant's message are called by older clients, and by Pipecat.
_ASSISTANT_PARTS = {"text": "output_text", "audio": "output_audio", "input_text": "output_text"}


class PartIn(Tolerant):
    type: Literal[
        "input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio"
    ]
    text: Text | None = None
    audio: str | None = None
    transcript: Text | None = None
    image_url: str | None = None
    detail: Literal["auto", "low", "high"] | None = None


class MessageIn(Tolerant):
    type: Literal["message"]
    id: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[PartIn], Field(max_length=64)]


class FunctionCallIn(Tolerant):
    type: Literal["function_call"]
    id: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    call_id: Annotated[str, Field(max_length=512)] = ""
    name: Annotated[str, Field(max_length=512)]
    arguments: Text = ""


class FunctionOutputIn(Tolerant):
    type: Literal["function_call_output"]
    id: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    call_id: Annotated[str, Field(max_length=512)]
    output: Text


class McpApprovalIn(Tolerant):
    type: Literal["mcp_approval_response"]
    id: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    approval_request_id: Annotated[str, Field(max_length=512)]
    approve: bool
    reason: Text | None = None


AnyItemIn = MessageIn | FunctionCallIn | FunctionOutputIn | McpApprovalIn
_ITEM_IN: TypeAdapter[AnyItemIn] = TypeAdapter(Annotated[AnyItemIn, Field(discriminator="type")])


@dataclass(frozen=True)
class ReadItem:
    """An item from the client, and the audio its parts carry."""

    item: Item
    clips: dict[int, bytes]  # part index -> wire bytes still to be transcribed


def read_item(body: Wire, new_id: Callable[[str], str], where: str = "item") -> ReadItem:
    """Validate an item; errors name the field below `where`."""
    try:
        given = _ITEM_IN.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        steps = [where, *(str(s) for s in first["loc"][1:])] if first["loc"] else [where, "type"]
        param = ".".join(steps)
        code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
        raise ClientError(
            f"Invalid value for '{param}': {first['msg']}.", code=code, param=param
        ) from None
    item_id = given.id or new_id("item")
    match given:
        case FunctionCallIn():
            call_id = given.call_id or new_id("call")
            item = Item(
                item_id,
                "function_call",
                call_id=call_id,
                name=given.name,
                arguments=given.arguments,
            )
            return ReadItem(item, {})
        case FunctionOutputIn():
            return ReadItem(
                Item(item_id, "function_call_output", call_id=given.call_id, output=given.output),
                {},
            )
        case McpApprovalIn(approval_request_id=request_id, approve=approve, reason=reason):
            served = Served(approval_request_id=request_id, approve=approve, reason=reason)
            return ReadItem(Item(item_id, "mcp_approval_response", served=served), {})
    return _read_message(given, item_id, where)


def _read_message(given: MessageIn, item_id: str, where: str) -> ReadItem:
    parts: list[Part] = []
    clips: dict[int, bytes] = {}
    for index, part in enumerate(given.content):
        at = f"{where}.content.{index}"
        kind = _part_kind(part, given.role, at)
        if kind in ("input_text", "output_text"):
            if part.text is None:
                raise ClientError(
                    f"Missing required parameter: '{at}.text'.",
                    code="missing_required_parameter",
                    param=f"{at}.text",
                )
            parts.append(Part(kind, part.text))
            continue
        if kind == "input_image":
            image = read_image(part.image_url, part.detail, f"{at}.image_url")
            parts.append(Part(kind, None, image))
            continue
        if kind == "input_audio" and part.audio and part.transcript is None:
            clips[index] = decode_base64(part.audio, f"{at}.audio")
            parts.append(Part(kind, None))
        else:
            parts.append(Part(kind, part.transcript or ""))
    return ReadItem(Item(item_id, role=given.role, parts=tuple(parts)), clips)


def _part_kind(part: PartIn, role: str, at: str) -> PartKind:
    kind: Any = part.type
    if role == "assistant":
        kind = _ASSISTANT_PARTS.get(kind, kind)
    if kind == "text":
        kind = "input_text"
    allowed = {
        "user": ("input_text", "input_audio", "input_image"),
        "system": ("input_text",),
        "assistant": ("output_text", "output_audio"),
    }[role]
    if kind not in allowed:
        raise ClientError(
            f"Invalid value: '{part.type}'. The role '{role}' takes {' or '.join(allowed)}.",
            code="invalid_value",
            param=f"{at}.type",
        )
    return kind  # type: ignore[no-any-return]


def decode_base64(text: str, param: str) -> bytes:
    """Bytes of a base64 field."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ClientError(
            f"Invalid value for '{param}': not valid base64.", code="invalid_value", param=param
        ) from None


def item_wire(
    item: Item, *, begun_only: bool = False, audio: bytes | None = None, whole: bool = False
) -> Wire:
    """An item as the client sees it; `begun_only` leaves its content out, `audio` is its sound.

    Its images are sent back only if it is to be `whole`.
    """
    wire: Wire = {"id": item.item_id, "object": "realtime.item", "type": item.kind}
    if item.kind.startswith("mcp"):
        return wire | mcp_fields(item)
    wire["status"] = item.status
    if item.kind == "message":
        wire["role"] = item.role
        parts = () if begun_only else item.parts
        wire["content"] = [_part_wire(part, audio, whole) for part in parts]
    elif item.kind == "function_call":
        wire |= {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
    else:
        wire |= {"call_id": item.call_id, "output": item.output}
    return wire


def _part_wire(part: Part, audio: bytes | None, whole: bool) -> Wire:
    if part.kind == "input_image":
        return {"type": part.kind} | image_fields(part.image, whole)
    if part.kind in ("input_audio", "output_audio"):
        wire: Wire = {"type": part.kind, "transcript": part.text}
        return wire if audio is None else wire | {"audio": base64.b64encode(audio).decode()}
    return {"type": part.kind, "text": part.text or ""}
