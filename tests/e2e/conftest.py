"""Calls to the real server, with a microphone that never stops and users' voices."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1] / "gateway"))  # the caller is the same

from gateway_calls import Caller

from voiceserver.cli.own_server import RunningServer
from voiceserver.scenes.kokoro import VOICES, speak

PACKET_SAMPLES = 960  # 40 ms at 24 kHz


class Microphone:
    """Sends what it hears in real time: silence, or what is said into it."""

    def __init__(self, caller: Caller, append: str = "input_audio_buffer.append") -> None:
        self._caller = caller
        self._append = append  # the event's name
        self._sound = np.zeros(0, np.int16)

    def hear(self, sound: np.ndarray) -> None:
        """More sound to be heard after what is still waiting: int16 at 24 kHz."""
        self._sound = np.concatenate([self._sound, sound])

    def say(self, text: str, voice: int = 0) -> None:
        """One of the test's users speaks."""
        self.hear((np.asarray(speak(text, VOICES[voice])) * 32767).astype(np.int16))

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            piece, self._sound = self._sound[:PACKET_SAMPLES], self._sound[PACKET_SAMPLES:]
            piece = np.pad(piece, (0, PACKET_SAMPLES - len(piece))).astype("<i2")
            audio = base64.b64encode(piece.tobytes()).decode()
            await self._caller.send(self._append, audio=audio)
            due_s += PACKET_SAMPLES / 24000
            await asyncio.sleep(max(0.0, due_s - loop.time()))


@pytest.fixture
def call(
    live_server: RunningServer,
) -> Callable[..., AbstractAsyncContextManager[tuple[Caller, Microphone]]]:
    """Connect to the real server, with an open microphone unless told otherwise."""

    @asynccontextmanager
    async def calling(*, microphone: bool = True) -> AsyncIterator[tuple[Caller, Microphone]]:
        url = f"{live_server.url.rstrip('/')}/v1/realtime?timing=1"
        async with connect(url, max_size=None, max_queue=None) as socket:
            caller = Caller(socket)
            await caller.until("session.created")
            mouthpiece = Microphone(caller)
            running = asyncio.create_task(mouthpiece.run()) if microphone else None
            try:
                yield caller, mouthpiece
            finally:
                if running is not None:
                    running.cancel()
                    with contextlib.suppress(asyncio.CancelledError, OSError):
                        await running

    return calling
