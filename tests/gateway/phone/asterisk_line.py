"""Asterisk's end of an AudioSocket call, from its documentation: what comes is played at once."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np

HANGUP, UUID, DTMF, SLIN8, SLIN16 = 0x00, 0x01, 0x03, 0x10, 0x12
PATIENCE_S = 60.0


def tone(seconds: float, rate_hz: int = 8000) -> bytes:
    """What the scripted engine takes for speech."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    return (12000 * np.sin(2 * np.pi * 300 * t)).astype("<i2").tobytes()


class AsteriskCall:
    """One call. Silence is sent while nothing is said."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: int
    ) -> None:
        self.reader, self.writer, self.kind = reader, writer, kind
        self.frame_bytes = 640 if kind == SLIN16 else 320
        self.heard: list[bytes] = []  # frames of the assistant's voice
        self.times_s: list[float] = []  # when each came
        self.hung_up = asyncio.Event()
        self.says = bytearray()
        self._news = asyncio.Condition()

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.writer.write(struct.pack(">BH", kind, len(payload)) + payload)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this holds; looked at with every frame of either side."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(condition)

    async def quiet(self, seconds: float = 0.3) -> None:
        """Wait until no frame has come for this long."""
        seen = -1
        while seen != len(self.heard):
            seen = len(self.heard)
            await asyncio.sleep(seconds)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def read(self) -> None:
        """Take what the server sends, until it hangs up."""
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                kind, length = struct.unpack(">BH", await self.reader.readexactly(3))
                payload = await self.reader.readexactly(length)
                if kind == HANGUP:
                    break
                assert kind == self.kind, f"kind {kind:#x} on a line of {self.kind:#x}"
                assert length == self.frame_bytes
                self.heard.append(payload)
                self.times_s.append(asyncio.get_running_loop().time())
                await self._notify()
        self.hung_up.set()

    async def speak(self) -> None:
        """A frame every 20 ms."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            frame = bytes(self.says[: self.frame_bytes])
            del self.says[: self.frame_bytes]
            self.send(self.kind, frame.ljust(self.frame_bytes, b"\0"))
            await self._notify()
            due_s += 0.02
            await asyncio.sleep(max(0.0, due_s - loop.time()))


@asynccontextmanager
async def dialling(
    port: int, *, kind: int = SLIN8, polite: bool = True, call_id: uuid.UUID | None = None
) -> AsyncIterator[AsteriskCall]:
    """A call; with `polite` it says who it is and its line is open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    call = AsteriskCall(reader, writer, kind)
    tasks = [asyncio.create_task(call.read())]
    if polite:
        call.send(UUID, (call_id or uuid.uuid4()).bytes)
        tasks.append(asyncio.create_task(call.speak()))
    try:
        yield call
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.transport.abort()
