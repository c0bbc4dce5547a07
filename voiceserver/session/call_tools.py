"""Tools that end a call: the assistant hangs up, or hands the caller over to somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voiceserver.engine.tools import Function

HANG_UP, TRANSFER = "hang_up", "transfer_call"


@dataclass(frozen=True)
class CallTools:
    """Which of them the model may use. To whom a call is handed is the operator's to say."""

    hang_up: bool = False
    transfer_to: Mapping[str, str] = field(default_factory=dict)  # name -> number or address

    def functions(self) -> tuple[Function, ...]:
        """What the model is told of them."""
        functions: list[Function] = []
        if self.hang_up:
            text = "Ends the call. Say goodbye in the same reply; it is heard before."
            functions.append(Function(HANG_UP, text, {"type": "object", "properties": {}}))
        if self.transfer_to:
            text = "Hands the caller over to somebody else. Say so in the same reply."
            names = {"type": "string", "enum": list(self.transfer_to)}
            schema = {
                "type": "object",
                "properties": {"destination": names},
                "required": ["destination"],
            }
            functions.append(Function(TRANSFER, text, schema))
        return tuple(functions)


NO_CALL_TOOLS = CallTools()
