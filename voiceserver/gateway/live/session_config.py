"""What a client may send in session.start and session.update. Unknown keys are let pass."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from voiceserver.clock import LISTEN_RATE_HZ, TELEPHONE_RATE_HZ, WIRE_RATE_HZ
from voiceserver.gateway.codings import Coding, Linear
from voiceserver.gateway.realtime.patches import (
    FunctionChoice,
    Functions,
    Kept,
    Name,
    Text,
    Tolerant,
)
from voiceserver.gateway.realtime.patches import OutputPatch as VoiceOutput
from voiceserver.gateway.wire_audio import AudioFormat

MOST_HISTORY = 128  # messages
Delay = Annotated[int, Field(ge=0, le=60_000)]
_RATES_HZ = {"audio/pcm": (LISTEN_RATE_HZ, WIRE_RATE_HZ)}


class Format(Tolerant):
    """How sound is written, both ways; fixed once the session has started."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int

    @field_validator("rate")
    @classmethod
    def _fits_type(cls, rate: int, others: ValidationInfo) -> int:
        kind = others.data.get("type")
        right = _RATES_HZ.get(str(kind), (TELEPHONE_RATE_HZ,))
        if rate not in right:
            raise ValueError(f"the rate of {kind} is {' or '.join(map(str, right))}")
        return rate

    @property
    def coding(self) -> Coding:
        return Linear(self.rate) if self.type == "audio/pcm" else AudioFormat(self.type)


class Audio(Tolerant):
    format: Format | None = None
    output: VoiceOutput | None = None


class ResponsesConfig(Kept):
    """The model that delegated work goes to: here the session's own thinker."""

    model: Name | None = None
    instructions: Text | None = None
    tools: Functions | None = None
    tool_choice: FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | None = None


class ClientDelegation(Tolerant):
    type: Literal["client"]
    acknowledgement_delay_ms: Delay | None = None


class ResponsesDelegation(Tolerant):
    type: Literal["responses"]
    acknowledgement_delay_ms: Delay | None = None
    responses: ResponsesConfig | None = None


AnyDelegation = Annotated[ClientDelegation | ResponsesDelegation, Field(discriminator="type")]


class HistoryText(Kept):
    type: Literal["input_text", "output_text", "text"] | None = None
    text: Text


class HistoryMessage(Kept):
    role: Literal["developer", "user", "assistant"]
    content: Annotated[list[HistoryText], Field(min_length=1, max_length=1)]
    type: Literal["message"] | None = None
    id: Name | None = None
    status: Literal["incomplete", "completed"] | None = None


class SessionUpdateConfig(Tolerant):
    """The `session` of a session.update: all that can change."""

    delegation: AnyDelegation | None = None
    triggers: list[dict[str, Any]] | None = None

    @field_validator("triggers")
    @classmethod
    def _no_triggers(cls, triggers: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        if triggers:
            raise ValueError("this server takes no decisions, so it has no triggers")
        return triggers


class SessionStartConfig(SessionUpdateConfig):
    """The `session` of a session.start."""

    model: Name
    instructions: Text | None = None
    audio: Audio | None = None
    input: Annotated[list[HistoryMessage], Field(max_length=MOST_HISTORY)] | None = None
    store: bool | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None
