"""A call provider as its documentation describes it: 20 ms frames in, a player that echoes marks.

Sound that was sent is played in real time; a mark comes back when all before it has been played,
or at once when it was cleared.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voiceserver.audio import g711

FRAME_BYTES = 160  # 20 ms
SILENCE = b"\xff"
PATIENCE_S = 60.0
STREAM = "MZ00000000000000000000000000000001"


def tone(seconds: float) -> bytes:
    """What the scripted engine takes for speech, as mu-law at 8 kHz."""
    t = np.arange(int(seconds * 8000)) / 8000
    return g711.pcm16_to_ulaw((12000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16))


class Call:
    """One call, from the provider's side."""

    def __init__(self, socket: ClientConnection, marks: int | None) -> None:
        self.socket = socket
        self.received: list[dict[str, Any]] = []
        self.heard = bytearray()  # what the caller has heard, as mu-law
        self.heard_when_cleared: list[int] = []
        self.queue: deque[bytes | str] = deque()  # sound and marks, to be played
        self.marks_left = marks  # how many the player still echoes; None: all
        self.says = bytearray()
        self._news = asyncio.Condition()
        self._sent = 0

    async def send(self, event: str, **fields: Any) -> None:
        self._sent += 1
        message = {"event": event, "sequenceNumber": str(self._sent), "streamSid": STREAM, **fields}
        await self.socket.send(json.dumps(message))

    async def begin(self, **parameters: str) -> None:
        await self.socket.send(
            json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        )
        start = {
            "accountSid": "AC1",
            "callSid": "CA1",
            "streamSid": STREAM,
            "tracks": ["inbound"],
            "customParameters": parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        await self.send("start", start=start)

    async def voice(self, data: bytes) -> None:
        """A piece of the caller's voice."""
        payload = base64.b64encode(data).decode()
        media = {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload}
        await self.send("media", media=media)

    async def press(self, keys: str) -> None:
        for key in keys:
            await self.send("dtmf", dtmf={"track": "inbound_track", "digit": key})

    async def hang_up(self) -> None:
        await self.send("stop", stop={"accountSid": "AC1", "callSid": "CA1"})

    def sounds(self) -> int:
        """How many pieces of sound have come."""
        return sum(message["event"] == "media" for message in self.received)

    def sounds_since_clear(self) -> int:
        """How many pieces have come since the newest clear."""
        newest_first = [message["event"] for message in reversed(self.received)]
        return newest_first[: newest_first.index("clear")].count("media")

    async def until(self, condition: Any) -> None:
        """Wait until this holds of the call."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: condition(self))

    async def quiet(self, seconds: float = 0.3) -> None:
        """Wait until all has been played and nothing has come for this long."""
        seen = -1
        while seen != len(self.received) or self.queue:
            seen = len(self.received)
            await asyncio.sleep(seconds)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def read(self) -> None:
        """Take what the server sends."""
        async for frame in self.socket:
            message = json.loads(frame)
            assert message["streamSid"] == STREAM
            self.received.append(message)
            match message["event"]:
                case "media":
                    self.queue.append(base64.b64decode(message["media"]["payload"], validate=True))
                case "mark":
                    self.queue.append(message["mark"]["name"])
                case "clear":
                    self.heard_when_cleared.append(len(self.heard))
                    marks = [entry for entry in self.queue if isinstance(entry, str)]
                    self.queue.clear()
                    for name in marks:
                        await self._echo(name)
                case other:
                    raise AssertionError(f"{other} is no message of a media stream")
            await self._notify()

    async def _echo(self, name: str) -> None:
        if self.marks_left == 0:
            return
        if self.marks_left is not None:
            self.marks_left -= 1
        await self.send("mark", mark={"name": name})

    async def run(self) -> None:
        """Every 20 ms a frame of the caller's voice goes out, and one of ours is played."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            frame = bytes(self.says[:FRAME_BYTES]).ljust(FRAME_BYTES, SILENCE)
            del self.says[:FRAME_BYTES]
            await self.voice(frame)
            await self._play(FRAME_BYTES)
            await self._notify()
            due_s += 0.02
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def _play(self, room: int) -> None:
        while self.queue:
            entry = self.queue[0]
            if isinstance(entry, bytes):
                if room == 0:
                    return
                self.heard += entry[:room]
                self.queue[0] = entry[room:]
                room -= min(room, len(entry))
                if self.queue[0]:
                    return
            self.queue.popleft()
            if isinstance(entry, str):
                await self._echo(entry)


@asynccontextmanager
async def calling(
    port: int, *, marks: int | None = None, paced: bool = True, **options: Any
) -> AsyncIterator[Call]:
    """A call; with `paced` the line is open and silent until something is said."""
    url = f"ws://127.0.0.1:{port}/v1/phone/twilio"
    async with connect(url, max_queue=None, **options) as socket:
        call = Call(socket, marks)
        tasks = [asyncio.create_task(call.read())]
        if paced:
            await call.begin()
            tasks.append(asyncio.create_task(call.run()))
        try:
            yield call
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError, OSError, ConnectionClosed):
                    await task
