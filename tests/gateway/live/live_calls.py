"""A Live client for tests: keeps everything it got, each event checked against `openai`'s types."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from gateway_calls import PATIENCE_S, Gateway, silence, tone
from openai.types.live import ServerEvent
from websockets.asyncio.client import ClientConnection, connect

Event = dict[str, Any]
TYPES = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(ServerEvent)[0])
}
AUDIO = "session.output_audio.delta"
SAID = "session.output_transcript.delta"
HEARD = "session.input_transcript.delta"


@dataclass
class LiveCaller:
    """A client whose microphone is open: silence, unless something is said."""

    socket: ClientConnection
    rate_hz: int = 24_000
    events: list[Event] = field(default_factory=list)
    arrived_s: list[float] = field(default_factory=list)
    read: int = 0

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def start(self, **session: Any) -> Event:
        await self.send("session.start", session={"model": "nano", **session})
        return (await self.until("session.started"))["session"]

    async def next(self, patience_s: float = PATIENCE_S) -> Event:
        while self.read >= len(self.events):
            frame = await asyncio.wait_for(self.socket.recv(), patience_s)
            event = json.loads(frame)
            TYPES[event["type"]].model_validate(event, strict=True)
            self.events.append(event)
            self.arrived_s.append(time.monotonic())
        self.read += 1
        return self.events[self.read - 1]

    async def until(self, type: str, **fields: Any) -> Event:
        """Read on to the next event of this type; an unexpected error fails the test."""
        asked_s = time.monotonic()
        while True:
            assert time.monotonic() - asked_s < PATIENCE_S, f"no {type}"  # sound never ends
            event = await self.next()
            if event["type"] == type and fields.items() <= event.items():
                return event
            if event["type"] == "error":
                raise AssertionError(f"error while waiting for {type}: {event['error']}")

    async def listen(self, seconds: float) -> None:
        """Read on for as long as this sounds."""
        deltas = 0
        while deltas * 0.08 < seconds:
            deltas += (await self.next())["type"] == AUDIO

    async def say(self, *sounds: np.ndarray) -> None:
        """Sound at 24 kHz, faster than real time."""
        for sound in sounds:
            audio = base64.b64encode(sound.astype("<i2").tobytes()).decode()
            await self.send("session.input_audio.append", audio=audio)

    async def speak(self, speech_s: float = 0.8, silence_s: float = 0.8) -> None:
        await self.say(tone(speech_s), silence(silence_s))

    async def transcript(self, words: int) -> str:
        """What the assistant says next, that many words of it."""
        text = ""
        while len(text.split()) < words:
            text += (await self.until(SAID))["delta"]
        return text

    def sound(self, start: int = 0) -> np.ndarray:
        """Everything heard since an event, int16 at the session's rate."""
        deltas = [e["delta"] for e in self.events[start:] if e["type"] == AUDIO]
        return np.frombuffer(b"".join(map(base64.b64decode, deltas)), "<i2")

    def kinds(self) -> list[str]:
        return [e["type"] for e in self.events if e["type"] != AUDIO]


@asynccontextmanager
async def live_call(gateway: Gateway, **session: Any) -> AsyncIterator[LiveCaller]:
    """Connect and start a session."""
    url = f"ws://127.0.0.1:{gateway.port}/v1/live/sessions"
    async with connect(url, max_size=None, max_queue=None) as socket:
        caller = LiveCaller(socket)
        await caller.start(**session)
        yield caller
