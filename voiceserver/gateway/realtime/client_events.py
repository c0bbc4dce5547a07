"""The client's events: one model each, and `parse`, which names the field that is wrong."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from voiceserver.errors import ClientError
from voiceserver.gateway.realtime.beta import event_in_ga_names
from voiceserver.gateway.realtime.patches import ResponsePatch, SessionPatch, Tolerant

DEEPEST = 64  # levels of an event; tools' schemas are the deepest things sent
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


class OutputClear(ClientEvent):
    type: Literal["output_audio_buffer.clear"]


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
    | OutputClear
)
_ADAPTER: TypeAdapter[AnyClientEvent] = TypeAdapter(
    Annotated[AnyClientEvent, Field(discriminator="type")]
)
_KNOWN = {event.model_fields["type"].annotation.__args__[0] for event in AnyClientEvent.__args__}


Event = TypeVar("Event")


class InvalidEvent(ClientError):
    """An event that could not be read; knows the client's event_id where there was one."""

    def __init__(
        self, message: str, *, code: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.event_id = event_id


def parse(text: str | bytes) -> AnyClientEvent:
    """Read one event, or say in one line what is wrong with it."""
    body = read_object(text)
    event_id = given_event_id(body)
    return checked(_ADAPTER, _KNOWN, event_in_ga_names(body), event_id)


def given_event_id(body: dict[str, Any]) -> str | None:
    """The client's own name for the event, if it gave one."""
    given_id = body.get("event_id")
    return given_id[:512] if isinstance(given_id, str) else None


def checked(
    adapter: TypeAdapter[Event], known: set[str], body: dict[str, Any], event_id: str | None
) -> Event:
    """The event of a protocol that this object is; raises InvalidEvent."""
    kind = body.get("type")
    if not isinstance(kind, str) or kind not in known:
        shown = repr(kind)[:100]
        raise InvalidEvent(
            f"Invalid value: {shown}. Supported event types are: {', '.join(sorted(known))}.",
            code="invalid_value" if isinstance(kind, str) else "missing_required_parameter",
            param="type",
            event_id=event_id,
        )
    try:
        return adapter.validate_python(body)
    except ValidationError as error:
        raise invalid(error, event_id, within=1) from None


def read_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object of a frame: such that it can be written as JSON again."""
    try:
        body = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"The event is not valid JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise InvalidEvent("An event must be a JSON object.", code="invalid_event")
    _check_values(body)
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _check_values(body: dict[str, Any]) -> None:
    """No value is deeper than can be written, or a text that UTF-8 has no bytes for."""
    level: list[Any] = [body]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value, *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and not value.isascii():
                _check_text(value)
            elif isinstance(value, float) and not math.isfinite(value):
                message = "The event is not valid JSON: it holds a number past all bounds."
                raise InvalidEvent(message, code="invalid_json")
        if not below:
            return
        level = below
    raise InvalidEvent(
        f"The event is nested more than {DEEPEST} levels deep.", code="invalid_event"
    )


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "The event is not valid JSON: it holds half of a surrogate pair."
        raise InvalidEvent(message, code="invalid_json") from None


def invalid(
    error: ValidationError, event_id: str | None = None, *, within: int = 0, where: str = ""
) -> InvalidEvent:
    """What is wrong, with its field's path as the protocol writes it.

    The path is `within` outer steps of pydantic's, and stands below `where`.
    """
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    first = max(errors, key=lambda e: len(e["loc"]))  # of a union, the branch that got furthest
    path = [part for part in first["loc"][within:] if not _is_union_branch(part)]
    path = [where, *path] if where else path
    if first["type"].startswith("union_tag_"):  # no branch of a union has this type
        path.append("type")
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
        "[" in part
        or part in {"str", "int", "function", "mcp"}
        or part.startswith("constrained-")
        or part[:1].isupper()
    )
