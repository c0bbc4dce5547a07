"""What a client may send in session.update and response.create. Unknown keys are let pass."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

MOST_TEXT_CHARS = 32_768
MOST_SERVERS = 16  # of MCP, in one session
Text = Annotated[str, Field(max_length=MOST_TEXT_CHARS)]
Name = Annotated[str, Field(min_length=1, max_length=512)]
HeaderText = Annotated[str, Field(max_length=8192)]
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


class ToolFilter(Kept):
    """Which of a server's tools."""

    read_only: bool | None = None
    tool_names: Names | None = None


class ApprovalFilter(Kept):
    """For which of a server's tools the client wants to be asked."""

    always: ToolFilter | None = None
    never: ToolFilter | None = None


class McpTool(Kept):
    """A server of tools that we are to speak to."""

    type: Literal["mcp"]
    server_label: Name
    server_url: Annotated[str, Field(max_length=2048)]  # there are no connectors or tunnels here
    server_description: Text | None = None
    authorization: HeaderText | None = None
    headers: Annotated[dict[Name, HeaderText], Field(max_length=32)] | None = None
    allowed_tools: Names | ToolFilter | None = None
    require_approval: Literal["always", "never"] | ApprovalFilter | None = None

    @field_validator("server_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("it must be an http or https URL")
        return url

    @field_validator("authorization")
    @classmethod
    def _fits_a_header(cls, token: str | None) -> str | None:
        _check_header("", token or "")
        return token

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str] | None) -> dict[str, str] | None:
        for name, value in (headers or {}).items():
            _check_header(name, value)
        return headers


def _check_header(name: str, value: str) -> None:
    if not (name + value).isascii() or not (name + value).isprintable() or set(name) & set(" :"):
        raise ValueError("it does not fit into an HTTP header")


class ToolChoice(Kept):
    """The one tool that must be called."""

    type: Literal["function"]
    name: Name


class McpToolChoice(Kept):
    """The server, and perhaps its tool, that must be called."""

    type: Literal["mcp"]
    server_label: Name
    name: Name | None = None


class TokenLimits(Kept):
    post_instructions: Annotated[int, Field(ge=0)] | None = None


class RetentionRatio(Kept):
    type: Literal["retention_ratio"]
    retention_ratio: Annotated[float, Field(ge=0, le=1)]
    token_limits: TokenLimits | None = None


class Tracing(Kept):
    workflow_name: Text | None = None
    group_id: Text | None = None


def _few_servers(tools: list[FunctionTool | McpTool]) -> list[FunctionTool | McpTool]:
    labels = [tool.server_label for tool in tools if isinstance(tool, McpTool)]
    if len(set(labels)) != len(labels):
        raise ValueError("two servers have the same server_label")
    if len(labels) > MOST_SERVERS:
        raise ValueError(f"at most {MOST_SERVERS} may be of type mcp")
    return tools


Functions = Annotated[list[FunctionTool], Field(max_length=128)]
FunctionChoice = Literal["auto", "none", "required"] | ToolChoice
AnyTool = Annotated[FunctionTool | McpTool, Field(discriminator="type")]
Tools = Annotated[list[AnyTool], Field(max_length=128), AfterValidator(_few_servers)]
AnyToolChoice = FunctionChoice | McpToolChoice


class ExtensionPatch(Tolerant):
    """What this server offers beyond the protocol."""

    backchannels: bool | None = None  # the assistant says "I see" in long turns of the user's
    call_tools: list[Literal["hang_up"]] | None = None  # what the model may do with the call


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
