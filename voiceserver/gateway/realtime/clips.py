"""Transcribes audio that comes inside a conversation item, in a session of its own for each clip.

The engine has one slot more than there are sessions; clips take turns in it.
"""

from __future__ import annotations

import asyncio
import secrets

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.engine.messages import FromEngine, Recognise, Recognised, UserAudio
from voiceserver.errors import EngineUnavailable
from voiceserver.gateway.engine_client import EngineClient

_SAMPLE_BYTES = 2
_ANSWER_S = 60.0


class _Reading:
    """The engine's answers about one clip."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Recognised | None] = asyncio.Queue()

    def engine_said(self, message: FromEngine) -> None:
        if isinstance(message, Recognised):
            self.answers.put_nowait(message)

    def engine_lost(self) -> None:
        self.answers.put_nowait(None)

    def engine_back(self) -> None:
        """A clip is not begun again."""

    def engine_refused(self, reason: str) -> None:
        self.answers.put_nowait(None)


class ClipReader:
    """Reads clips one after another."""

    def __init__(self, engine: EngineClient, piece_s: float) -> None:
        self._engine = engine
        self._piece_bytes = int(piece_s * LISTEN_RATE_HZ) * _SAMPLE_BYTES
        self._turn = asyncio.Lock()

    async def read(self, pcm16: bytes) -> str:
        """The text of a clip at the listening rate; raises EngineUnavailable."""
        async with self._turn:
            session_id = f"clip_{secrets.token_hex(8)}"
            reading = _Reading()
            await self._engine.open(session_id, reading)
            try:
                return await self._read(session_id, reading, pcm16)
            except TimeoutError:
                raise EngineUnavailable("The speech engine did not answer.") from None
            finally:
                self._engine.close(session_id)

    async def _read(self, session_id: str, reading: _Reading, pcm16: bytes) -> str:
        texts: list[str] = []
        for request_id, at in enumerate(range(0, len(pcm16), self._piece_bytes)):
            piece = pcm16[at : at + self._piece_bytes]
            start = at // _SAMPLE_BYTES
            end = start + len(piece) // _SAMPLE_BYTES
            self._engine.send(UserAudio(session_id, piece))
            self._engine.send(Recognise(session_id, request_id, start, end, final=True))
            answer = await asyncio.wait_for(reading.answers.get(), _ANSWER_S)
            if answer is None:
                raise EngineUnavailable("The speech engine stopped.")
            if answer.failed:
                raise EngineUnavailable("This audio could not be transcribed.")
            texts.append(answer.text.strip())
        return " ".join(text for text in texts if text)
