"""A loop over the recorder family, with a clock of its own."""

from __future__ import annotations

from collections.abc import Sequence

from recorder import WordFamily

from voiceserver.clock import FakeClock
from voiceserver.config import EngineConfig
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import AudioDelta, ChatMessage, FromEngine, OpenSession, Respond


class Bench:
    """A loop over the recorder family, and everything it has sent."""

    def __init__(self, slots: int = 4, *, gathers: bool = False) -> None:
        self.family = WordFamily(slots, gathers=gathers)
        self.clock = FakeClock()
        self.loop = Loop(self.family, EngineConfig(run_ahead_s=0.4), self.clock)
        self.sent: list[FromEngine] = []

    def open(self, *session_ids: str) -> None:
        self.loop.put(OpenSession(session_id) for session_id in session_ids)
        self.tick()

    def respond(
        self,
        session_id: str,
        text: str,
        epoch: int = 0,
        speak: bool = True,
        prepared: bool = False,
    ) -> None:
        dialogue = (ChatMessage("user", text),)
        name = f"{session_id}{epoch}"
        respond = Respond(session_id, epoch, name, dialogue, speak, 99, 0.0, prepared=prepared)
        self.loop.put([respond])

    def tick(self, times: int = 1) -> list[FromEngine]:
        new = [message for _ in range(times) for message in self.loop.tick()]
        self.sent += new
        return new

    def run(self, seconds: float, step_s: float = 0.01) -> list[FromEngine]:
        """Let time pass, ticking all along."""
        new: list[FromEngine] = []
        for _ in range(round(seconds / step_s)):
            new += self.tick()
            self.clock.advance(step_s)
        return new


def audio_s(messages: Sequence[FromEngine], session_id: str = "a") -> float:
    pieces = [m for m in messages if isinstance(m, AudioDelta) and m.session_id == session_id]
    return sum(len(piece.pcm16) // 2 for piece in pieces) / 1000


def kinds(messages: Sequence[FromEngine]) -> list[type]:
    return [type(message) for message in messages]
