"""How the session should behave, and the `session.update` that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Turns = Literal["semantic_vad", "server_vad", "manual"]


@dataclass(frozen=True)
class SessionOptions:
    """What is None is left as the server has it."""

    instructions: str | None = None
    turns: Turns = "semantic_vad"  # who says that the user's turn is over; "manual": `commit`
    speak: bool = True  # False: replies are text only
    max_output_tokens: int | None = None
    interrupt: bool = True  # the user's speech ends the reply under way

    def as_session(self) -> dict[str, Any]:
        """The `session` object of a `session.update` event."""
        turn_detection: dict[str, Any] | None = None
        if self.turns != "manual":
            turn_detection = {
                "type": self.turns,
                "create_response": True,
                "interrupt_response": self.interrupt,
            }
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio" if self.speak else "text"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "turn_detection": turn_detection,
                    "transcription": {"model": "whisper-1"},
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}},
            },
        }
        if self.instructions is not None:
            session["instructions"] = self.instructions
        if self.max_output_tokens is not None:
            session["max_output_tokens"] = self.max_output_tokens
        return session
