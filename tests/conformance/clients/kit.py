"""What the Python clients share: steps with a verdict, a microphone that never stops, patience.

Only the standard library: each client runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
import traceback
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version
from typing import Any

STEPS = ("spoken", "typed", "interruption", "tool")
RATE_HZ = 24_000
PACKET_BYTES = 2 * RATE_HZ // 50  # 20 ms
TYPED = "Hello, how are you today?"
STORY = "Tell me a long story about a dog, a cat and the sea."
WEATHER = "Please call the weather function: what is the weather in Rome?"
RECALL = "What was the first thing that I said?"
WEATHER_FUNCTION = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
DEGREES = "20 degrees"
LOUD = 300  # of 32768
NOT_THERE = "not in this client"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="http://host:port/v1")
    for name in ("question", "interruption", "story", "weather"):
        parser.add_argument(f"--{name}", required=True, help="a WAV at 24 kHz")
    parser.add_argument("--patience", type=float, default=60.0)
    return parser.parse_args()


def sound(path: str) -> bytes:
    with wave.open(path) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        return file.readframes(file.getnframes())


def is_loud(pcm16: bytes) -> bool:
    samples = memoryview(pcm16).cast("h")
    return len(samples) > 0 and max(max(samples), -min(samples)) > LOUD


class Verdicts:
    """What became of each step."""

    def __init__(self, client: str, *packages: str, patience_s: float = 60.0) -> None:
        self.results: dict[str, str] = {}
        self._client = client
        self._versions = {package: version(package) for package in packages}
        self._patience_s = patience_s

    async def step(self, name: str, what: Awaitable[object]) -> None:
        try:
            await asyncio.wait_for(what, self._patience_s)
            self.results[name] = "ok"
        except TimeoutError:
            self.results[name] = f"nothing within {self._patience_s:g} s"
        except Exception as error:
            traceback.print_exc()
            self.results[name] = f"{type(error).__name__}: {error}"[:300]

    def print(self, note: str = "") -> None:
        verdict = {"client": self._client, "versions": self._versions, "results": self.results}
        print("VERDICT " + json.dumps(verdict | {"note": note}), flush=True)


class Seen:
    """Events as they come, and waiting for one."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._more = asyncio.Event()

    def add(self, event: Any) -> None:
        self.events.append(event)
        self._more.set()

    async def until(self, wanted: Callable[[Any], bool], since: int = 0) -> Any:
        """The first event, of those since then, that is wanted."""
        at = since
        while True:
            while at < len(self.events):
                if wanted(self.events[at]):
                    return self.events[at]
                at += 1
            self._more.clear()
            await self._more.wait()


class Microphone:
    """Sends a packet every 20 ms: silence, or what is said."""

    def __init__(self, send: Callable[[bytes], Awaitable[object]]) -> None:
        self._send = send
        self._waiting = b""

    def say(self, pcm16: bytes) -> None:
        self._waiting += pcm16

    async def _run(self) -> None:
        due_s = time.monotonic()
        while True:
            packet, self._waiting = self._waiting[:PACKET_BYTES], self._waiting[PACKET_BYTES:]
            await self._send(packet.ljust(PACKET_BYTES, b"\0"))
            due_s += 0.02
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Microphone]:
        running = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await running
