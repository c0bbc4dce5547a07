"""What a client may send in session.update and response.create. Unknown keys are let pass.

Beta names are rewritten to GA names before validation.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MOST_TEXT_CHARS = 32_768
Text = Annotated[str, Field(max_length=MOST_TEXT_CHARS)]
Tokens = Annotated[int, Field(ge=1, le=4096)] | Literal["inf"]
Modalities = Annotated[list[Literal["audio", "text"]], Field(min_length=1, max_length=2)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]

_BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}


class Tolerant(BaseModel):
    """Ignores what it does not know; does not turn one type into another."""

    model_config = ConfigDict(extra="ignore", strict=True)


class FormatPatch(Tolerant):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: Literal[24000, 8000] | None = None


class TurnDetectionPatch(Tolerant):
    type: Literal["server_vad", "semantic_vad"] | None = None
    threshold: Annotated[float, Field(ge=0, le=1, strict=False)] | None = None
    prefix_padding_ms: Milliseconds | None = None
    silence_duration_ms: Milliseconds | None = None
    idle_timeout_ms: Annotated[int, Field(ge=1000, le=600_000)] | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class InputPatch(Tolerant):
    format: FormatPatch | None = None
    transcription: dict[str, Any] | None = None
    noise_reduction: dict[str, Any] | None = None
    turn_detection: TurnDetectionPatch | None = None

    @field_validator("turn_detection", mode="before")
    @classmethod
    def _false_is_off(cls, given: Any) -> Any:
        """Some clients write false where the protocol says null."""
        return None if given is False else given


class OutputPatch(Tolerant):
    format: FormatPatch | None = None
    voice: str | dict[Literal["id"], str] | None = None
    speed: Annotated[float, Field(ge=0.25, le=1.5, strict=False)] | None = None


class AudioPatch(Tolerant):
    input: InputPatch | None = None
    output: OutputPatch | None = None


class SessionPatch(Tolerant):
    """The `session` of a session.update."""

    type: Literal["realtime"] = "realtime"
    instructions: Text | None = None
    output_modalities: Modalities | None = None
    max_output_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0, le=2, strict=False)] | None = None
    tools: Annotated[list[dict[str, Any]], Field(max_length=128)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    truncation: str | dict[str, Any] | None = None
    tracing: str | dict[str, Any] | None = None
    include: list[str] | None = None
    audio: AudioPatch | None = None


class ResponsePatch(Tolerant):
    """The `response` of a response.create."""

    instructions: Text | None = None
    output_modalities: Modalities | None = None
    max_output_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0, le=2, strict=False)] | None = None
    conversation: Literal["auto", "none"] | None = None
    metadata: Metadata | None = None
    input: Annotated[list[dict[str, Any]], Field(max_length=256)] | None = None
    audio: AudioPatch | None = None


def session_in_ga_names(session: dict[str, Any]) -> dict[str, Any]:
    """A session of the beta protocol with GA names; a GA session comes back as it is."""
    ga = _modalities_in_ga_names(session)
    renamed = {
        "input_audio_format": ("input", "format"),
        "input_audio_transcription": ("input", "transcription"),
        "input_audio_noise_reduction": ("input", "noise_reduction"),
        "turn_detection": ("input", "turn_detection"),
        "output_audio_format": ("output", "format"),
        "voice": ("output", "voice"),
        "speed": ("output", "speed"),
    }
    moved: dict[str, dict[str, Any]] = {}
    for old, (side, new) in renamed.items():
        if old in ga:
            value = ga.pop(old)
            if new == "format" and isinstance(value, str):
                value = {"type": _BETA_FORMATS.get(value, value)}
            moved.setdefault(side, {})[new] = value
    audio = ga.get("audio")
    if moved and (audio is None or isinstance(audio, dict)):
        ga["audio"] = moved | (audio or {})
    return ga


def _modalities_in_ga_names(body: dict[str, Any]) -> dict[str, Any]:
    ga = dict(body)
    for old, new in (
        ("modalities", "output_modalities"),
        ("max_response_output_tokens", "max_output_tokens"),
    ):
        if old in ga:
            ga.setdefault(new, ga.pop(old))
    return ga


def response_in_ga_names(response: dict[str, Any]) -> dict[str, Any]:
    """A response of the beta protocol with GA names."""
    return _modalities_in_ga_names(response)
