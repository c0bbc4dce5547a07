"""The real server under bad input, vanishing clients and a killed engine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import numpy as np
import pytest

from voiceserver.cli.own_server import RunningServer, engine_pid
from voiceserver.scenes.kokoro import VOICES, speak

pytestmark = pytest.mark.e2e
Call = Callable[..., AbstractAsyncContextManager[tuple[Any, Any]]]


def question(voice: int = 0) -> np.ndarray:
    return (np.asarray(speak("What is the capital of France?", VOICES[voice])) * 32767).astype("i2")


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * 24000), np.int16)


async def until_health(server: RunningServer, **wanted: Any) -> None:
    async with httpx.AsyncClient(base_url=server.page) as client:
        for _ in range(600):
            health = (await client.get("/health")).json()
            if all(health[key] == value for key, value in wanted.items()):
                return
            await asyncio.sleep(0.05)
    raise AssertionError(f"{health} did not become {wanted}")


async def test_minutes_of_silence_then_a_question_all_at_once(call: Call) -> None:
    async with call(microphone=False) as (caller, _):
        await caller.settings(output_modalities=["text"])
        for _ in range(8):  # two minutes, as fast as they are taken
            await caller.append(silence(15))
            while await caller.nothing_more(0.5):  # past the backlog's end: tried again
                assert caller.events[-1]["error"]["code"] == "input_audio_buffer_overflow"
                await caller.append(silence(15))
        await caller.append(np.concatenate([question(), silence(1)]))
        assert "paris" in str((await caller.until("response.done"))["response"]).lower()


async def test_noise_and_extreme_samples_end_nothing(call: Call) -> None:
    async with call(microphone=False) as (caller, _):
        await caller.settings(output_modalities=["text"])
        rng = np.random.default_rng(5)
        noise = rng.integers(-32768, 32767, 24000, endpoint=True).astype(np.int16)
        square = np.where(np.arange(24000) // 40 % 2, 32767, -32768).astype(np.int16)
        await caller.append(np.concatenate([noise, silence(1), square, silence(1)]))
        await caller.nothing_more(2.0)
        await caller.append(np.concatenate([question(), silence(1)]))
        while "paris" not in str((await caller.until("response.done"))["response"]).lower():
            pass


async def test_clients_that_vanish_leave_no_slot_behind(
    call: Call, live_server: RunningServer
) -> None:
    for steps in range(6):
        async with call(microphone=False) as (caller, _):
            if steps > 2:  # else the unfinished question would interrupt the story now and then
                await caller.settings(audio={"input": {"turn_detection": None}})
            if steps > 0:
                await caller.append(question()[: 12000 * steps])
            if steps > 2:
                await caller.write("Tell me a story.")
                await caller.send("response.create")
            if steps > 3:
                await caller.until("response.created")
            if steps > 4:
                await caller.until("response.output_audio.delta")
            caller.socket.transport.abort()
    await until_health(live_server, sessions=0)
    async with call(), call(), call(), call() as (caller, _):  # as many as it serves
        await caller.settings()


async def test_the_engine_killed_is_told_replaced_and_works(
    call: Call, live_server: RunningServer
) -> None:
    async with call(microphone=False) as (caller, _):
        await caller.settings(output_modalities=["text"])
        await caller.write("My name is Ada.")
        os.kill(engine_pid(live_server.page), signal.SIGKILL)
        error = (await caller.until("error"))["error"]
        assert error["code"] == "engine_restarted"
        await until_health(live_server, engine="ready")
        await asyncio.sleep(0.5)
        await caller.append(np.concatenate([question(1), silence(1)]))
        assert (await caller.until("response.done"))["response"]["status"] == "completed"
        items = [e for e in caller.events if e["type"] == "conversation.item.added"]
        assert items[1]["previous_item_id"] == items[0]["item"]["id"]  # it has not forgotten
