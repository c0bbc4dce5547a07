"""The client's events: one model each, and `parse`, which names the field that is wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from voiceserver.gateway.live.session_config import SessionStartConfig, SessionUpdateConfig
from voiceserver.gateway.realtime.client_events import checked, given_event_id, read_object
from voiceserver.gateway.realtime.patches import Tolerant

MOST_APPENDED_CHARS = 8192  # the protocol's 500 tokens, generously


class ClientEvent(Tolerant):
    event_id: Annotated[str, Field(max_length=512)] | None = None


class SessionStart(ClientEvent):
    type: Literal["session.start"]
    session: SessionStartConfig


class SessionUpdate(ClientEvent):
    type: Literal["session.update"]
    session: SessionUpdateConfig


class SessionClose(ClientEvent):
    type: Literal["session.close"]


class AudioAppend(ClientEvent):
    type: Literal["session.input_audio.append"]
    audio: str


class AudioMute(ClientEvent):
    type: Literal["session.input_audio.mute"]


class AudioUnmute(ClientEvent):
    type: Literal["session.input_audio.unmute"]


class FixturePlay(ClientEvent):
    type: Literal["session.output_audio.fixture.play"]
    audio: str


class ContextAppend(ClientEvent):
    type: Literal[
        "session.instructions.append", "session.thinking.append", "session.commentary.append"
    ]
    content: Annotated[str, Field(min_length=1, max_length=MOST_APPENDED_CHARS)]
    delegation_id: Annotated[str, Field(max_length=512)] | None = None


class ResponseItemCreate(ClientEvent):
    type: Literal["response.item.create"]
    item: dict[str, Any]


class ResponseCreate(ClientEvent):
    type: Literal["response.create"]


class DecisionEvent(ClientEvent):
    """Of a kind of delegation that this server does not have; refused with that reason."""

    type: Literal["decision.create", "decision.item.create", "decision.item.delete"]


AnyClientEvent = (
    SessionStart
    | SessionUpdate
    | SessionClose
    | AudioAppend
    | AudioMute
    | AudioUnmute
    | FixturePlay
    | ContextAppend
    | ResponseItemCreate
    | ResponseCreate
    | DecisionEvent
)
_ADAPTER: TypeAdapter[AnyClientEvent] = TypeAdapter(
    Annotated[AnyClientEvent, Field(discriminator="type")]
)
_KNOWN = {
    name
    for event in AnyClientEvent.__args__
    for name in event.model_fields["type"].annotation.__args__
}


def parse(frame: str | bytes) -> AnyClientEvent:
    """Read one event, or say in one line what is wrong with it."""
    body = read_object(frame)
    return checked(_ADAPTER, _KNOWN, body, given_event_id(body))
