"""A Realtime session's configuration: how a client changes it, and the whole, defaults resolved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from voiceserver.config import DEFAULT_INSTRUCTIONS
from voiceserver.errors import ClientError
from voiceserver.gateway.mcp.toolbox import Toolbox
from voiceserver.gateway.realtime.patches import (
    Kept,
    ResponsePatch,
    SessionPatch,
    TurnDetectionPatch,
)
from voiceserver.gateway.realtime.tools import offered, shown
from voiceserver.gateway.wire_audio import AudioFormat
from voiceserver.session.call_tools import HANG_UP, CallTools
from voiceserver.session.settings import (
    DEFAULT_REPLY_TOKENS,
    DEFAULT_TURNS,
    SessionSettings,
    TurnSettings,
)

Wire = dict[str, Any]

_OF_EVERY_REPLY = (
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "temperature",
)
_OF_REPLIES = (*_OF_EVERY_REPLY, "output_modalities", "truncation", "tracing")


@dataclass(frozen=True)
class ReplySound:
    """How a reply is to sound, as the client asked."""

    format: AudioFormat
    voice: str


@dataclass(frozen=True)
class RealtimeSettings:
    """All settings of one session. Immutable: an update makes a new one."""

    model: str
    voice: str
    instructions: str = DEFAULT_INSTRUCTIONS
    output_modality: Literal["audio", "text"] = "audio"
    max_output_tokens: int | Literal["inf"] = "inf"
    temperature: float = 0.0
    input_format: AudioFormat = AudioFormat.PCM
    output_format: AudioFormat = AudioFormat.PCM
    turns: TurnSettings | None = DEFAULT_TURNS
    transcription: Wire | None = None
    noise_reduction: Wire | None = None
    tools: list[Wire] = field(default_factory=list)
    tool_choice: Any = "auto"
    parallel_tool_calls: bool = True
    truncation: Any = "auto"
    tracing: Any = None
    include: list[str] | None = None
    speed: float = 1.0
    backchannels: bool = False  # of the assistant's, in long turns of the user's
    call_tools: list[str] = field(default_factory=list)
    transcribe_only: bool = False  # the session's type is "transcription": nothing is answered

    @classmethod
    def first(cls, model: str) -> RealtimeSettings:
        """The settings of a session whose client has not asked for anything."""
        return cls(model=model, voice=model)

    def updated(self, patch: SessionPatch) -> RealtimeSettings:
        """These settings with what the client gave; absent keeps, null switches off."""
        kind = patch.type or ("transcription" if self.transcribe_only else "realtime")
        if kind == "transcription":
            _refuse_fields_of_replies(patch)
        changes = _reply_changes(patch) | {"transcribe_only": kind == "transcription"}
        if patch.truncation is not None:
            changes["truncation"] = _plain(patch.truncation)
        for name in ("tracing", "include"):
            if name in patch.model_fields_set:
                changes[name] = _plain(getattr(patch, name))
        for name in ("backchannels", "call_tools"):
            if (value := getattr(patch.voiceserver, name, None)) is not None:
                changes[name] = value
        return replace(self, **changes, **self._input_changes(patch))

    def for_response(self, patch: ResponsePatch) -> RealtimeSettings:
        """These settings with what the client gave for one response."""
        return replace(self, **_reply_changes(patch))

    @property
    def sound(self) -> ReplySound:
        return ReplySound(self.output_format, self.voice)

    def _input_changes(self, patch: SessionPatch) -> Wire:
        changes: Wire = {}
        given = patch.audio.input if patch.audio else None
        if given is None:
            return changes
        if given.format is not None:
            changes["input_format"] = AudioFormat(given.format.type)
        for name in ("transcription", "noise_reduction"):
            if name in given.model_fields_set:
                changes[name] = _plain(getattr(given, name))
        if "turn_detection" in given.model_fields_set:
            changes["turns"] = merged_turns(self.turns, given.turn_detection)
        return changes

    def for_session(self, toolbox: Toolbox | None = None) -> SessionSettings:
        """What the session itself needs to know of it; `toolbox` knows the tools of servers."""
        tools, served = offered(self.tools, self.tool_choice, self.parallel_tool_calls, toolbox)
        limit = DEFAULT_REPLY_TOKENS if self.max_output_tokens == "inf" else self.max_output_tokens
        turns = self.turns
        if turns is not None and self.transcribe_only:
            turns = replace(turns, create_response=False, idle_timeout_ms=None)
        return SessionSettings(
            instructions=self.instructions,
            speak=self.output_modality == "audio",
            turns=turns,
            max_tokens=limit,
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            tools=tools,
            served=served,
            call_tools=CallTools(hang_up=HANG_UP in self.call_tools),
            backchannels=self.backchannels and not self.transcribe_only,
            noise_reduction=(self.noise_reduction or {}).get("type"),
        )

    @property
    def heard_transcription(self) -> Wire | None:
        """How the user's speech is to be written down for the client; None: not at all."""
        if self.transcribe_only and self.transcription is None:
            return {"model": self.model}
        return self.transcription

    def wire(self, session_id: str, expires_at: int) -> Wire:
        """The `session` object of session.created and session.updated."""
        if self.transcribe_only:
            return {
                "type": "transcription",
                "object": "realtime.transcription_session",
                "id": session_id,
                "expires_at": expires_at,
                "include": self.include,
                "audio": {"input": self._input_wire()},
            }
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": self.model,
            "expires_at": expires_at,
            "output_modalities": [self.output_modality],
            "instructions": self.instructions,
            "tools": shown(self.tools),
            "tool_choice": self.tool_choice,
            "parallel_tool_calls": self.parallel_tool_calls,
            "max_output_tokens": self.max_output_tokens,
            "truncation": self.truncation,
            "tracing": self.tracing,
            "prompt": None,
            "include": self.include,
            "audio": {
                "input": self._input_wire(),
                "output": {
                    "format": self.output_format.wire(),
                    "voice": self.voice,
                    "speed": self.speed,
                },
            },
            **self._own_wire(),
        }

    def _own_wire(self) -> Wire:
        """What is not in the protocol and not as it is by default."""
        own: Wire = {"backchannels": True} if self.backchannels else {}
        own |= {"call_tools": self.call_tools} if self.call_tools else {}
        return {"voiceserver": own} if own else {}

    def _input_wire(self) -> Wire:
        turn_detection = turns_wire(self.turns)
        if turn_detection is not None and self.transcribe_only:
            for name in ("create_response", "interrupt_response", "idle_timeout_ms"):
                turn_detection.pop(name, None)
        return {
            "format": self.input_format.wire(),
            "transcription": self.heard_transcription,
            "noise_reduction": self.noise_reduction,
            "turn_detection": turn_detection,
        }


def _refuse_fields_of_replies(patch: SessionPatch) -> None:
    """A transcription session has no settings of what it does not do."""
    given = [name for name in _OF_REPLIES if getattr(patch, name) is not None]
    if patch.audio is not None and patch.audio.output is not None:
        given.append("audio.output")
    if given:
        param = f"session.{given[0]}"
        raise ClientError(
            f"Invalid parameter: '{param}' is not a setting of a transcription session.",
            code="invalid_value",
            param=param,
        )


def _plain(value: Any) -> Any:
    """A checked value as the JSON it was."""
    if isinstance(value, Kept):
        return value.as_given()
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def _modality(given: list[Literal["audio", "text"]]) -> Literal["audio", "text"]:
    """The one modality of a reply; beta clients ask for both, which means spoken."""
    return "audio" if "audio" in given else "text"


def _reply_changes(patch: SessionPatch | ResponsePatch) -> Wire:
    """What a session or one response may say of how replies are made; null changes nothing."""
    changes: Wire = {}
    for name in _OF_EVERY_REPLY:
        if (value := getattr(patch, name)) is not None:
            changes[name] = _plain(value)
    if patch.output_modalities is not None:
        changes["output_modality"] = _modality(patch.output_modalities)
    given = patch.audio.output if patch.audio else None
    if given is None:
        return changes
    if given.format is not None:
        changes["output_format"] = AudioFormat(given.format.type)
    if given.voice_name is not None:
        changes["voice"] = given.voice_name
    if given.speed is not None:
        changes["speed"] = given.speed
    return changes


def merged_turns(now: TurnSettings | None, given: TurnDetectionPatch | None) -> TurnSettings | None:
    """Turn detection after an update: the same kind keeps its fields, another starts afresh."""
    if given is None:
        return None
    kind = given.type or (now.kind if now else "server_vad")
    start = now if now is not None and now.kind == kind else TurnSettings(kind=kind)
    changes = {
        name: value
        for name, value in given.model_dump(exclude={"type"}, exclude_unset=True).items()
        if value is not None or name == "idle_timeout_ms"
    }
    return replace(start, **changes)


def turns_wire(turns: TurnSettings | None) -> Wire | None:
    """Turn detection as the client sees it, every default filled in."""
    if turns is None:
        return None
    common = {
        "type": turns.kind,
        "create_response": turns.create_response,
        "interrupt_response": turns.interrupt_response,
    }
    if turns.kind == "semantic_vad":
        idle_ms = turns.idle_timeout_ms  # ours: the protocol has it for server_vad only
        idle = {} if idle_ms is None else {"idle_timeout_ms": idle_ms}
        return common | {"eagerness": turns.eagerness} | idle
    return common | {
        "threshold": turns.threshold,
        "prefix_padding_ms": turns.prefix_padding_ms,
        "silence_duration_ms": turns.silence_duration_ms,
        "idle_timeout_ms": turns.idle_timeout_ms,
    }
