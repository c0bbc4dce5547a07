"""Asterisk's WebSocket channel, from its documentation: it frames and times what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

FRAME_BYTES = 160  # G.711
SILENCE = b"\xff"
PATIENCE_S = 60.0
COMMANDS = {"START_MEDIA_BUFFERING", "STOP_MEDIA_BUFFERING", "FLUSH_MEDIA", "HANGUP"}


class Channel:
    """One call in mu-law."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.received: list[str | bytes] = []
        self.queue = bytearray()  # sound to be played
        self.heard = bytearray()
        self.says = bytearray()
        self._buffering = False
        self._news = asyncio.Condition()

    def commands(self) -> list[str]:
        return [message for message in self.received if isinstance(message, str)]

    def sounds(self) -> int:
        return len(self.received) - len(self.commands())

    def sounds_since_flush(self) -> int:
        newest_first = self.received[::-1]
        since = newest_first[: newest_first.index("FLUSH_MEDIA")]
        return sum(isinstance(message, bytes) for message in since)

    async def begin(self, form: str = "ulaw") -> None:
        await self.socket.send(
            "MEDIA_START connection_id:e226e283-c90a-4ea9-9e37-389000b9ef47 "
            f"channel:WebSocket/bot/0x7f00 format:{form} optimal_frame_size:160"
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(condition)

    async def quiet(self, seconds: float = 0.3) -> None:
        """Wait until all has been played and nothing has come for this long."""
        seen = -1
        while seen != len(self.received) or self.queue:
            seen = len(self.received)
            await asyncio.sleep(seconds)

    async def read(self) -> None:
        """Take what the server sends."""
        async for message in self.socket:
            self.received.append(message)
            if isinstance(message, bytes):
                assert 0 < len(message) <= 65_500
                assert self._buffering or len(message) % FRAME_BYTES == 0
                self.queue += message
                assert len(self.queue) < 900 * FRAME_BYTES  # more would be asked to wait
            else:
                self._obey(message)
            async with self._news:
                self._news.notify_all()

    def _obey(self, command: str) -> None:
        assert command in COMMANDS
        if command == "FLUSH_MEDIA":
            self.queue.clear()
        elif command == "STOP_MEDIA_BUFFERING":
            missing = -len(self.queue) % FRAME_BYTES
            self.queue += missing * SILENCE
        self._buffering = command == "START_MEDIA_BUFFERING"

    async def run(self) -> None:
        """Every 20 ms a frame of the caller's voice goes out, and one of ours is played."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            await self.socket.send(bytes(self.says[:FRAME_BYTES]).ljust(FRAME_BYTES, SILENCE))
            del self.says[:FRAME_BYTES]
            if len(self.queue) >= FRAME_BYTES:
                self.heard += self.queue[:FRAME_BYTES]
                del self.queue[:FRAME_BYTES]
            async with self._news:
                self._news.notify_all()
            due_s += 0.02
            await asyncio.sleep(max(0.0, due_s - loop.time()))


@asynccontextmanager
async def dialled(port: int, query: str = "", **options: Any) -> AsyncIterator[Channel]:
    """A call that has begun."""
    url = f"ws://127.0.0.1:{port}/v1/phone/asterisk{query}"
    async with connect(url, max_queue=None, subprotocols=["media"], **options) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "media"
        channel = Channel(socket)
        await channel.begin()
        tasks = [asyncio.create_task(channel.read()), asyncio.create_task(channel.run())]
        try:
            yield channel
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError, OSError, ConnectionClosed):
                    await task
