"""The client's events: one model each, and `parse`, which names the field that is wrong."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from voiceserver.errors import ClientError
from voiceserver.gateway.realtime.patches import (
    ResponsePatch,
    SessionPatch,
    Tolerant,
    response_in_ga_names,
    session_in_ga_names,
)

Id = Annotated[str, Field(min_length=1, max_length=512)]


class ClientEvent(Tolerant):
    event_id: Annotated[str, Field(max_length=512)] | None = None


class SessionUpdate(ClientEvent):
    type: Literal["session.update"]
    session: SessionPatch


class AudioAppend(ClientEvent):
    type: Literal["input_audio_buffer.append"]
    audio: str


class AudioCommit(ClientEvent):
    type: Literal["input_audio_buffer.commit"]


class AudioClear(ClientEvent):
    type: Literal["input_audio_buffer.clear"]


class ItemCreate(ClientEvent):
    type: Literal["conversation.item.create"]
    item: dict[str, Any]
    previous_item_id: Id | None = None


class ItemRetrieve(ClientEvent):
    type: Literal["conversation.item.retrieve"]
    item_id: Id


class ItemDelete(ClientEvent):
    type: Literal["conversation.item.delete"]
    item_id: Id


class ItemTruncate(ClientEvent):
    type: Literal["conversation.item.truncate"]
    item_id: Id
    content_index: Annotated[int, Field(ge=0)] = 0
    audio_end_ms: Annotated[float, Field(ge=0, le=2**31, strict=False)]  # some send fractions


class ResponseCreate(ClientEvent):
    type: Literal["response.create"]
    response: ResponsePatch | None = None


class ResponseCancel(ClientEvent):
    type: Literal["response.cancel"]
    response_id: Id | None = None


AnyClientEvent = (
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
)
_ADAPTER: TypeAdapter[AnyClientEvent] = TypeAdapter(
    Annotated[AnyClientEvent, Field(discriminator="type")]
)
_KNOWN = {event.model_fields["type"].annotation.__args__[0] for event in AnyClientEvent.__args__}


class InvalidEvent(ClientError):
    """An event that could not be read; knows the client's event_id where there was one."""

    def __init__(
        self, message: str, *, code: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.event_id = event_id


def parse(text: str | bytes) -> AnyClientEvent:
    """Read one event, or say in one line what is wrong with it."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"The event is not valid JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise InvalidEvent("An event must be a JSON object.", code="invalid_event")
    given_id = body.get("event_id")
    event_id = given_id[:512] if isinstance(given_id, str) else None
    kind = body.get("type")
    if not isinstance(kind, str) or kind not in _KNOWN:
        shown = repr(kind)[:100]
        known = ", ".join(sorted(_KNOWN))
        raise InvalidEvent(
            f"Invalid value: {shown}. Supported event types are: {known}.",
            code="invalid_value" if isinstance(kind, str) else "missing_required_parameter",
            param="type",
            event_id=event_id,
        )
    try:
        return _ADAPTER.validate_python(_in_ga_names(kind, body))
    except ValidationError as error:
        raise _invalid(error, event_id) from None


def _in_ga_names(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    if kind == "session.update" and isinstance(body.get("session"), dict):
        return body | {"session": session_in_ga_names(body["session"])}
    if kind == "response.create" and isinstance(body.get("response"), dict):
        return body | {"response": response_in_ga_names(body["response"])}
    return body


def _invalid(error: ValidationError, event_id: str | None) -> InvalidEvent:
    """The first thing wrong, with the path of its field as the protocol writes it."""
    first = error.errors(include_url=False, include_context=False)[0]
    path = [part for part in first["loc"][1:] if not _is_union_branch(part)]
    param = ".".join(str(part) for part in path) or None
    missing = first["type"] == "missing"
    message = (
        f"Missing required parameter: '{param}'."
        if missing
        else f"Invalid value for '{param}': {first['msg']}."
    )
    code = "missing_required_parameter" if missing else "invalid_value"
    return InvalidEvent(message, code=code, param=param, event_id=event_id)


def _is_union_branch(part: str | int) -> bool:
    """Whether this step of pydantic's path names a branch of a union, not a field."""
    return isinstance(part, str) and (
        "[" in part or part in {"str", "int"} or part.startswith("constrained-")
    )
