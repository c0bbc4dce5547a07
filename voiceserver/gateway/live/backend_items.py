"""Items that a client adds for the Responses backend, as items of the conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from voiceserver.gateway.realtime.client_events import invalid
from voiceserver.gateway.realtime.patches import Name, Text, Tolerant
from voiceserver.session.items import Item, Part

Wire = dict[str, Any]


class TextIn(Tolerant):
    type: Literal["input_text", "output_text"]
    text: Text


Content = Text | Annotated[list[TextIn], Field(min_length=1, max_length=64)]


class MessageIn(Tolerant):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Content


class FunctionOutputIn(Tolerant):
    type: Literal["function_call_output"]
    call_id: Name
    output: Content


_ITEM_IN: TypeAdapter[MessageIn | FunctionOutputIn] = TypeAdapter(
    Annotated[MessageIn | FunctionOutputIn, Field(discriminator="type")]
)


def read_item(body: Wire, new_id: Callable[[str], str]) -> Item:
    """A message or a function's result; raises ClientError that names the field."""
    try:
        given = _ITEM_IN.validate_python({"type": "message"} | body)
    except ValidationError as error:
        raise invalid(error, within=1, where="item") from None
    if isinstance(given, FunctionOutputIn):
        output, call_id = _text(given.output), given.call_id
        return Item(new_id("item"), "function_call_output", call_id=call_id, output=output)
    text = _text(given.content)
    if given.role == "assistant":
        return Item(new_id("item"), role="assistant", parts=(Part("output_text", text),))
    return Item(
        new_id("item"),
        role="user" if given.role == "user" else "system",
        parts=(Part("input_text", text),),
    )


def _text(content: str | list[TextIn]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content)
