"""How one session wants to be listened to and answered; gateways translate into this."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from voiceserver.config import DEFAULT_INSTRUCTIONS
from voiceserver.engine.messages import NoiseReduction
from voiceserver.engine.tools import NO_TOOLS, Tools
from voiceserver.session.call_tools import NO_CALL_TOOLS, CallTools
from voiceserver.session.items import Item
from voiceserver.session.served_tools import ServedTool

DEFAULT_REPLY_TOKENS = 160  # about a minute of speech
MAX_WAIT_MS = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}  # by eagerness
COMPLETE_AT = {"low": 0.7, "medium": 0.5, "auto": 0.5, "high": 0.35}  # probability of a turn's end
# The same with the duplex policy's forecasts, of which held-out dialogues gave these.
YIELDS_AT = {"low": 0.7, "medium": 0.5, "auto": 0.5, "high": 0.35}
FORECAST_MAX_WAIT_MS = {"low": 5000, "medium": 2500, "auto": 2500, "high": 1500}


@dataclass(frozen=True)
class TurnSettings:
    """When the user's turn begins and ends, and what follows from it."""

    kind: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500  # server_vad
    idle_timeout_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"  # semantic_vad
    create_response: bool = True
    interrupt_response: bool = True

    @property
    def max_wait_ms(self) -> int:
        """The longest pause before the turn is over whatever the model of turn ends thinks."""
        return MAX_WAIT_MS[self.eagerness]

    @property
    def forecast_max_wait_ms(self) -> int:
        """The same, whatever is forecast."""
        return FORECAST_MAX_WAIT_MS[self.eagerness]

    @property
    def complete_at(self) -> float:
        """Probability at which a turn counts as complete."""
        return COMPLETE_AT[self.eagerness]

    @property
    def yields_at(self) -> float:
        """Forecast probability at which the user has yielded."""
        return YIELDS_AT[self.eagerness]


DEFAULT_TURNS = TurnSettings()


@dataclass(frozen=True)
class SessionSettings:
    """What holds for the whole session until it is changed."""

    instructions: str = DEFAULT_INSTRUCTIONS
    speak: bool = True
    turns: TurnSettings | None = DEFAULT_TURNS  # None: the client commits and asks for responses
    max_tokens: int = DEFAULT_REPLY_TOKENS
    temperature: float = 0.0  # greedy: a small model is soundest so
    max_output_tokens: int | Literal["inf"] = "inf"  # as the client asked
    tools: Tools = NO_TOOLS
    served: tuple[ServedTool, ...] = ()  # those of the tools that this server calls itself
    call_tools: CallTools = NO_CALL_TOOLS
    backchannels: bool = False  # say "I see" in long turns of the user's
    noise_reduction: NoiseReduction | None = None

    def reply_options(self) -> ReplyOptions:
        """How a reply is made that the client did not ask for one by one."""
        return ReplyOptions(
            speak=self.speak,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            instructions=self.instructions,
            max_output_tokens=self.max_output_tokens,
            tools=replace(self.tools, functions=self.tools.functions + self.call_tools.functions()),
            served=self.served,
        )


@dataclass(frozen=True)
class ReplyOptions:
    """How one reply is to be made."""

    speak: bool
    max_tokens: int
    temperature: float
    instructions: str
    max_output_tokens: int | Literal["inf"] = "inf"  # as the client asked
    tools: Tools = NO_TOOLS
    served: tuple[ServedTool, ...] = ()
    metadata: dict[str, str] | None = None
    in_conversation: bool = True
    input: tuple[Item, ...] | None = None  # read this instead of the conversation
    verbatim: str | None = None  # say just this
    sound: object = None  # what whoever encodes the sound asked to be told again
