"""What a client may send in session.update and response.create. Unknown keys are let pass."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

MOST_TEXT_CHARS = 32_768
Text = Annotated[str, Field(max_length=MOST_TEXT_CHARS)]
Name = Annotated[str, Field(min_length=1, max_length=512)]
Names = Annotated[list[Name], Field(max_length=128)]
Tokens = Annotated[int, Field(ge=1, le=4096)] | Literal["inf"]
Modalities = Annotated[list[Literal["audio", "text"]], Field(min_length=1, max_length=2)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Temperature = Annotated[float, Field(ge=0, le=2, strict=False, allow_inf_nan=False)]


class Tolerant(BaseModel):
    """Ignores what it does not know; does not turn one type into another."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Kept(BaseModel):
    """Shown to the client again just as given, with what this server does not know."""

    model_config = ConfigDict(extra="allow", strict=True)

    def as_given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class FormatPatch(Tolerant):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int | None = None

    @field_validator("rate")
    @classmethod
    def _fits_type(cls, rate: int | None, others: ValidationInfo) -> int | None:
        right = 24000 if others.data.get("type") == "audio/pcm" else 8000
        if rate is not None and rate != right:
            raise ValueError(f"the rate of {others.data.get('type')} is {right}")
        return rate


class TurnDetectionPatch(Tolerant):
    type: Literal["server_vad", "semantic_vad"] | None = None
    threshold: Annotated[float, Field(ge=0, le=1, strict=False, allow_inf_nan=False)] | None = None
    prefix_padding_ms: Milliseconds | None = None
    silence_duration_ms: Milliseconds | None = None
    idle_timeout_ms: Annotated[int, Field(ge=1000, le=600_000)] | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class TranscriptionPatch(Kept):
    model: Name | None = None
    language: Name | None = None
    languages: Names | None = None
    keywords: Names | None = None
    prompt: Text | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class NoiseReductionPatch(Kept):
    type: Literal["near_field", "far_field"] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] | None = None


class InputPatch(Tolerant):
    format: FormatPatch | None = None
    transcription: TranscriptionPatch | None = None
    noise_reduction: NoiseReductionPatch | None = None
    turn_detection: TurnDetectionPatch | None = None

    @field_validator("turn_detection", mode="before")
    @classmethod
    def _false_is_off(cls, given: Any) -> Any:
        """Some clients write false where the protocol says null."""
        return None if given is False else given


class CustomVoice(Tolerant):
    id: Name


class OutputPatch(Tolerant):
    format: FormatPatch | None = None
    voice: Name | CustomVoice | None = None
    speed: Annotated[float, Field(ge=0.25, le=1.5, strict=False)] | None = None

    @property
    def voice_name(self) -> str | None:
        return self.voice.id if isinstance(self.voice, CustomVoice) else self.voice


class AudioPatch(Tolerant):
    input: InputPatch | None = None
    output: OutputPatch | None = None


class FunctionTool(Kept):
    type: Literal["function"]
    name: Name
    description: Text | None = None
    parameters: dict[str, Any] | None = None


class ToolChoice(Kept):
    """The one tool that must be called."""

    type: Literal["function"]
    name: Name


class TokenLimits(Kept):
    post_instructions: Annotated[int, Field(ge=0)] | None = None


class RetentionRatio(Kept):
    type: Literal["retention_ratio"]
    retention_ratio: Annotated[float, Field(ge=0, le=1)]
    token_limits: TokenLimits | None = None


class Tracing(Kept):
    workflow_name: Text | None = None
    group_id: Text | None = None


Tools = Annotated[list[FunctionTool], Field(max_length=128)]
AnyToolChoice = Literal["auto", "none", "required"] | ToolChoice


class ExtensionPatch(Tolerant):
    """What this server offers beyond the protocol."""

    backchannels: bool | None = None  # the assistant says "I see" in long turns of the user's


class SessionPatch(Tolerant):
    """The `session` of a session.update."""

    type: Literal["realtime", "transcription"] | None = None
    instructions: Text | None = None
    output_modalities: Modalities | None = None
    max_output_tokens: Tokens | None = None
    temperature: Temperature | None = None
    tools: Tools | None = None
    tool_choice: AnyToolChoice | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | RetentionRatio | None = None
    tracing: Literal["auto"] | Tracing | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None
    audio: AudioPatch | None = None
    voiceserver: ExtensionPatch | None = None


class ResponsePatch(Tolerant):
    """The `response` of a response.create."""

    instructions: Text | None = None
    output_modalities: Modalities | None = None
    max_output_tokens: Tokens | None = None
    temperature: Temperature | None = None
    tools: Tools | None = None
    tool_choice: AnyToolChoice | None = None
    parallel_tool_calls: bool | None = None
    conversation: Literal["auto", "none"] | None = None
    metadata: Metadata | None = None
    input: Annotated[list[dict[str, Any]], Field(max_length=256)] | None = None
    audio: AudioPatch | None = None
