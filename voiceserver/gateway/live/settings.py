"""A Live session's configuration, defaults resolved: for the session, and as the client sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.config import DEFAULT_INSTRUCTIONS
from voiceserver.engine.tools import NO_TOOLS, Function, Tools
from voiceserver.errors import ClientError
from voiceserver.gateway.codings import Coding
from voiceserver.gateway.live.session_config import (
    ClientDelegation,
    Format,
    HistoryMessage,
    ResponsesConfig,
    ResponsesDelegation,
    SessionStartConfig,
    SessionUpdateConfig,
)
from voiceserver.gateway.realtime.patches import MOST_TEXT_CHARS
from voiceserver.gateway.realtime.tools import offered
from voiceserver.session.items import Item, Part
from voiceserver.session.settings import DEFAULT_REPLY_TOKENS, SessionSettings, TurnSettings

Wire = dict[str, Any]
Delegation = ClientDelegation | ResponsesDelegation

# Nothing but the sound itself tells the other side whose turn it is.
LIVE_TURNS = TurnSettings(kind="semantic_vad")
DEFAULT_FORMAT = Format(type="audio/pcm", rate=WIRE_RATE_HZ)

# What a model that calls functions is offered where the application does the delegated work.
DELEGATE = Function(
    name="delegate",
    description=(
        "Hand the user's request over to the application, which can look things up and act. Call "
        "it when you cannot answer by yourself. The application reads the conversation; its "
        "answer comes later, as a message."
    ),
    parameters={"type": "object", "properties": {}},
)
DELEGATED = "Handed over. The answer will come later, as a message; until then say nothing of it."


@dataclass(frozen=True)
class LiveSettings:
    """All settings of one session. Immutable: an update makes a new one."""

    model: str
    voice: str
    instructions: str
    format: Format
    delegation: Delegation
    history: tuple[HistoryMessage, ...]
    safety_identifier: str | None
    appended: str = ""  # instructions that came later

    @classmethod
    def started(cls, given: SessionStartConfig, own_model: str) -> LiveSettings:
        """What a client starts with; the model is always our own."""
        output = given.audio.output if given.audio else None
        instructions = (given.instructions or "").strip()
        return cls(
            model=own_model,
            voice=(output and output.voice_name) or own_model,
            instructions=instructions or DEFAULT_INSTRUCTIONS,
            format=(given.audio and given.audio.format) or DEFAULT_FORMAT,
            delegation=given.delegation or ClientDelegation(type="client"),
            history=tuple(given.input or ()),
            safety_identifier=given.safety_identifier,
        )

    def updated(self, given: SessionUpdateConfig) -> LiveSettings:
        """These settings with what the client gave; what it left out stays."""
        if given.delegation is None:
            return self
        if given.delegation.type != self.delegation.type:
            raise ClientError(
                f"The delegation of this session is '{self.delegation.type}' and cannot change.",
                code="invalid_value",
                param="session.delegation.type",
            )
        changes = _given(given.delegation)
        if isinstance(given.delegation, ResponsesDelegation) and given.delegation.responses:
            changes["responses"] = self._responses.model_copy(
                update=_given(given.delegation.responses)
            )
        return replace(self, delegation=self.delegation.model_copy(update=changes))

    def with_instructions(self, more: str) -> LiveSettings:
        """These settings with instructions that are never forgotten; raises ClientError."""
        appended = f"{self.appended}\n\n{more}".strip()
        if len(appended) > MOST_TEXT_CHARS:
            raise ClientError(
                f"Appended instructions may have {MOST_TEXT_CHARS} characters in all.",
                code="invalid_value",
                param="content",
            )
        return replace(self, appended=appended)

    @property
    def coding(self) -> Coding:
        return self.format.coding

    @property
    def has_tools(self) -> bool:
        """Whether there is anything that the model may call."""
        return bool(self._tools(self._responses).functions)

    @property
    def _responses(self) -> ResponsesConfig:
        """What a Responses delegation asks for; nothing where it is another one."""
        given = self.delegation
        asked = given.responses if isinstance(given, ResponsesDelegation) else None
        return asked or ResponsesConfig()

    def for_session(self) -> SessionSettings:
        """What the session itself needs to know: one thinker both talks and does the work."""
        asked = self._responses
        parts = (self.instructions, asked.instructions, self.appended)
        return SessionSettings(
            instructions="\n\n".join(part for part in parts if part),
            turns=LIVE_TURNS,
            max_tokens=asked.max_output_tokens or DEFAULT_REPLY_TOKENS,
            max_output_tokens=asked.max_output_tokens or "inf",
            tools=self._tools(asked),
        )

    def _tools(self, asked: ResponsesConfig) -> Tools:
        if isinstance(self.delegation, ClientDelegation):
            return Tools((DELEGATE,))
        if not asked.tools:
            return NO_TOOLS
        wire = asked.as_given()
        parallel = asked.parallel_tool_calls is not False
        return offered(wire["tools"], wire.get("tool_choice"), parallel)[0]

    def history_items(self, new_id: Callable[[str], str]) -> list[Item]:
        """The conversation that the session begins with."""
        return [_history_item(message, new_id("item")) for message in self.history]

    def wire(self, session_id: str, expires_at: int) -> Wire:
        """The session as the client sees it."""
        delegation = self.delegation.model_dump(exclude_none=True)
        if isinstance(self.delegation, ResponsesDelegation):
            delegation["responses"] = self._responses.as_given() | {"model": self.model}
        wire: Wire = {
            "id": session_id,
            "expires_at": expires_at,
            "status": "active",
            "model": self.model,
            "instructions": self.instructions,
            "audio": {"format": self.format.model_dump(), "output": {"voice": self.voice}},
            "delegation": {"acknowledgement_delay_ms": 0} | delegation,
            "input": [message.as_given() for message in self.history],
            "store": False,
            "triggers": [],
        }
        if self.safety_identifier is not None:
            wire["safety_identifier"] = self.safety_identifier
        return wire


def _given(patch: ClientDelegation | ResponsesDelegation | ResponsesConfig) -> Wire:
    """The fields that the client really gave."""
    return {name: getattr(patch, name) for name in patch.model_fields_set}


def _history_item(message: HistoryMessage, item_id: str) -> Item:
    text = message.content[0].text
    if message.role == "assistant":
        return Item(item_id, role="assistant", parts=(Part("output_text", text),))
    return Item(
        item_id,
        role="user" if message.role == "user" else "system",
        parts=(Part("input_text", text),),
    )
