"""What waits to be sent to one client. Bounded: a slow reader loses its own oldest audio first.

Knows frames and which of them are audio, nothing of the protocol.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

MOST_AUDIO_BYTES = 2 * 2**20  # of JSON; about half a minute of PCM16
MOST_BYTES = 16 * 2**20  # all frames together; a client that reads nothing at all is cut off


class ReaderTooSlow(Exception):
    """The client does not even take its control events."""


@dataclass(frozen=True)
class _Frame:
    data: str | bytes
    response_id: str | None  # set for audio


class Outbox:
    """A queue of frames with one reader."""

    def __init__(self) -> None:
        self.most_audio_bytes = MOST_AUDIO_BYTES
        self._frames: deque[_Frame] = deque()
        self._bytes = 0
        self._audio_bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._closed = False

    def put(self, data: str | bytes, response_id: str | None = None) -> int:
        """Queue a frame (audio of `response_id`, if given); return how many were dropped for it."""
        if self._closed:
            return 0
        self._append(_Frame(data, response_id))
        dropped = 0
        while self._audio_bytes > self.most_audio_bytes:
            self._remove_oldest_audio()
            dropped += 1
        if self._bytes > MOST_BYTES:
            self._closed = True
        self._filled.set()
        return dropped

    def _append(self, frame: _Frame) -> None:
        self._frames.append(frame)
        self._emptied.clear()
        self._count(frame, +1)

    def _count(self, frame: _Frame, sign: int) -> None:
        self._bytes += sign * len(frame.data)
        if frame.response_id is not None:
            self._audio_bytes += sign * len(frame.data)

    def _remove_oldest_audio(self) -> None:
        index = next(i for i, f in enumerate(self._frames) if f.response_id is not None)
        self._count(self._frames[index], -1)
        del self._frames[index]

    def drop_audio(self, response_id: str | None = None) -> None:
        """Throw away what is still queued of this reply's sound; without one, of all sound."""
        kept: deque[_Frame] = deque()
        for frame in self._frames:
            if frame.response_id is None or response_id not in (None, frame.response_id):
                kept.append(frame)
            else:
                self._count(frame, -1)
        self._frames = kept

    def __len__(self) -> int:
        return len(self._frames)

    async def emptied(self) -> None:
        """Wait until the reader has taken, and sent, everything."""
        await self._emptied.wait()

    async def get(self) -> str | bytes:
        """The next frame; waits for one."""
        while not self._frames:
            self._emptied.set()
            self._filled.clear()
            await self._filled.wait()
        if self._closed:
            raise ReaderTooSlow(f"{self._bytes} bytes are waiting to be read")
        frame = self._frames.popleft()
        self._count(frame, -1)
        return frame.data
