"""What the gateway's tests share: a real server in a thread, and clients that check what they get.

Every event a client receives is validated against the types of the `openai` package.
"""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from openai.types.realtime import RealtimeServerEvent
from websockets.asyncio.client import ClientConnection, connect

from voiceserver.config import Limits, ServerConfig
from voiceserver.gateway.app import create_app
from voiceserver.gateway.line import Line
from voiceserver.gateway.serving import DrainingServer, uvicorn_config
from voiceserver.gateway.state import GatewayState

Event = dict[str, Any]
PATIENCE_S = 60.0  # other work may share the machine
ENGINE = Path(__file__).with_name("scripted_engine.py")
EVENT_TYPES = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(RealtimeServerEvent)[0])
}


def free_port(host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port nobody has: of TCP, or of UDP for SOCK_DGRAM."""
    with socket.socket(type=kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def tone(seconds: float, pitch_hz: float = 300.0) -> np.ndarray:
    """What the scripted engine takes for speech: int16 at 24 kHz."""
    t = np.arange(int(seconds * 24000)) / 24000
    return (12000 * np.sin(2 * np.pi * pitch_hz * t)).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * 24000), np.int16)


@dataclass
class Caller:
    """A client that keeps every event it got."""

    socket: ClientConnection
    events: list[Event] = field(default_factory=list)
    read: int = 0  # events already looked at

    @property
    def session_id(self) -> str:
        return str(self.events[0]["session"]["id"])

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def next(self, patience_s: float = PATIENCE_S) -> Event:
        """The next event not yet looked at."""
        while self.read >= len(self.events):
            frame = await asyncio.wait_for(self.socket.recv(), patience_s)
            event = json.loads(frame)
            if not event["type"].startswith("voiceserver."):
                EVENT_TYPES[event["type"]].model_validate(event)
            self.events.append(event)
        self.read += 1
        return self.events[self.read - 1]

    async def until(self, type: str) -> Event:
        """Read on to the next event of this type; an unexpected error fails the test."""
        while True:
            event = await self.next()
            if event["type"] == type:
                return event
            if event["type"] == "error":
                raise AssertionError(f"error while waiting for {type}: {event['error']}")

    async def nothing_more(self, seconds: float = 0.3) -> list[Event]:
        """Whatever still comes within this time."""
        before = len(self.events)
        end_s = time.monotonic() + seconds
        try:
            while (left_s := end_s - time.monotonic()) > 0:
                await self.next(left_s)
        except TimeoutError:
            pass
        return self.events[before:]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def audio_bytes(self, response_id: str) -> int:
        """How much sound of a response has come."""
        return sum(
            len(base64.b64decode(e["delta"]))
            for e in self.events
            if e["type"] == "response.output_audio.delta" and e["response_id"] == response_id
        )

    async def append(self, samples: np.ndarray, *, paced: bool = False) -> None:
        """Send int16 samples at 24 kHz in pieces of 40 ms."""
        for at in range(0, len(samples), 960):
            piece = samples[at : at + 960].astype("<i2").tobytes()
            await self.send("input_audio_buffer.append", audio=base64.b64encode(piece).decode())
            if paced:
                await asyncio.sleep(0.04)

    async def speak(self, speech_s: float = 0.8, silence_s: float = 0.8) -> None:
        """A spoken turn, faster than real time."""
        await self.append(np.concatenate([tone(speech_s), silence(silence_s)]))

    async def settings(self, **session: Any) -> Event:
        """Update the session; the session as it then is."""
        await self.send("session.update", session={"type": "realtime", **session})
        updated: Event = (await self.until("session.updated"))["session"]
        return updated

    async def write(self, text: str, **item: Any) -> Event:
        """Add a typed user message."""
        content = [{"type": "input_text", "text": text}]
        message = {"type": "message", "role": "user", "content": content, **item}
        await self.send("conversation.item.create", item=message)
        return await self.until("conversation.item.done")


@dataclass
class Gateway:
    """A running server."""

    port: int
    state: GatewayState
    journal_path: Path
    server: DrainingServer

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def call(self, query: str = "", **options: Any) -> AsyncIterator[Caller]:
        """Connect and read session.created."""
        url = f"ws://127.0.0.1:{self.port}/v1/realtime?model=nano{query}"
        options = {"max_size": None, "max_queue": None} | options
        async with connect(url, **options) as client:
            caller = Caller(client)
            assert (await caller.next())["type"] == "session.created"
            yield caller

    async def only_line(self) -> Line:
        """The server's side of the only call there is, once those of others have left."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.state.connections) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return next(iter(self.state.connections))

    async def left(self) -> None:
        """Wait until everybody has left."""
        async with asyncio.timeout(PATIENCE_S):
            while self.state.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def only_id(self) -> str:
        """Its session's."""
        return (await self.only_line()).session_id

    def told(self, session_id: str, kind: type[Any]) -> list[Any]:
        """What the engine has been told about a session, audio excepted."""
        messages: list[Any] = []
        with self.journal_path.open("rb") as file:
            while True:
                try:
                    messages.append(pickle.load(file))
                except EOFError:
                    break
        return [m for m in messages if m.session_id == session_id and isinstance(m, kind)]


@contextmanager
def running_gateway(
    journal: Path,
    *,
    api_key: str | None = None,
    say: str = "turn %d",
    slots: int = 8,
    hears: bool = False,
    calls_tools: bool = True,
    forecasts: bool = False,
    images: bool = False,
    settings: dict[str, Any] | None = None,
    **limits: Any,
) -> Iterator[Gateway]:
    """A server in a thread of its own, with the scripted engine."""
    config = ServerConfig(port=free_port(), api_key=api_key, limits=replace(Limits(), **limits))
    config = replace(config, **(settings or {}))
    command = [sys.executable, str(ENGINE), f"--journal={journal}", f"--say={say}"]
    command += ["--hears"] * hears + ["--no-tools"] * (not calls_tools)
    command += ["--forecasts"] * forecasts + ["--images"] * images
    app = create_app(config, [*command, f"--slots={slots}", "--socket"])
    server = DrainingServer(uvicorn_config(app, config), app.state.gateway)

    def run() -> None:
        with suppress(SystemExit):  # uvicorn's answer to a failed start
            server.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.02)
    try:
        yield Gateway(config.port, app.state.gateway, journal, server)
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive(), "the server did not stop"
