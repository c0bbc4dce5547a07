"""GPT-Live with the real server and real speech: a question, an answer, an interruption."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect

for folder in ("gateway", "gateway/live", "e2e"):  # the callers are the same
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

from conftest import Microphone  # noqa: E402
from live_calls import HEARD, LiveCaller  # noqa: E402

from voiceserver.cli.own_server import RunningServer  # noqa: E402

pytestmark = pytest.mark.e2e
LOUD = 300  # of 32768; what the assistant's stream holds otherwise is silence


async def test_a_question_an_answer_and_an_interruption(live_server: RunningServer) -> None:
    url = f"{live_server.url.rstrip('/')}/v1/live/sessions"
    async with connect(url, max_size=None, max_queue=None) as socket:
        caller = LiveCaller(socket)
        await caller.start()
        microphone = Microphone(caller, "session.input_audio.append")  # type: ignore[arg-type]
        running = asyncio.create_task(microphone.run())
        try:
            microphone.say("What is the capital of France?")
            heard = await caller.until(HEARD)
            assert "capital of france" in heard["delta"].lower()
            assert len((await caller.transcript(3)).split()) >= 3
            await until_silent(caller)
            await interrupt_a_story(caller, microphone)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await running
        await caller.send("session.close")
        assert (await caller.until("session.closed"))["reason"] == "close_requested"


async def interrupt_a_story(caller: LiveCaller, microphone: Microphone) -> None:
    microphone.say("Tell me a long story about a dog, a cat and the sea.")
    await caller.transcript(6)
    microphone.say("Stop! What is the capital of France?", voice=1)
    heard = await caller.until(HEARD)
    assert heard["delta"].strip()
    await caller.transcript(3)
    await until_silent(caller)


async def until_silent(caller: LiveCaller) -> None:
    """Listen until nothing has been said for a second."""
    for _ in range(30):
        begun = len(caller.events)
        await caller.listen(1.0)
        if np.abs(caller.sound(begun).astype(int)).max() < LOUD:
            return
    raise AssertionError("it never ends")
