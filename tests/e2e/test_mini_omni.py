"""`voiceserver serve --model mini-omni` with small random weights, over the real socket."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from voiceserver.cli.own_server import RunningServer, engine_pid, server_at

pytestmark = pytest.mark.e2e
Call = Callable[..., AbstractAsyncContextManager[tuple[Any, Any]]]
FRAME_BYTES = 2 * 2048
TRANSCRIBE = {"input": {"transcription": {"model": "whisper-1"}}}
QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def live_server(random_mini_omni: Path) -> Iterator[RunningServer]:
    """One server for all of these tests; `call` connects to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICESERVER_MODEL", "mini-omni")
        patch.setenv("VOICESERVER_WEIGHTS", str(random_mini_omni))
        patch.setenv("VOICESERVER_DEVICE", "cpu")
        with server_at(None, 2) as server:
            yield server


def frames(response: dict[str, Any]) -> int:
    return int(response["usage"]["output_token_details"]["audio_tokens"])


async def reply(caller: Any, **response: Any) -> dict[str, Any]:
    """Ask for a reply and wait for its end."""
    await caller.send("response.create", response=response)
    done: dict[str, Any] = (await caller.until("response.done"))["response"]
    return done


async def test_a_spoken_turn_is_heard_answered_and_written_down(call: Call) -> None:
    async with call() as (caller, microphone):
        await caller.settings(audio=TRANSCRIBE, max_output_tokens=3)
        microphone.say(QUESTION)
        done = (await caller.until("response.done"))["response"]
        assert done["status"] in ("completed", "incomplete")
        assert caller.audio_bytes(done["id"]) == frames(done) * FRAME_BYTES > 0
        [item] = done["output"]
        deltas = [
            e["delta"]
            for e in caller.events
            if e["type"] == "response.output_audio_transcript.delta"
        ]
        assert "".join(deltas) == item["content"][0]["transcript"]
        completed = "conversation.item.input_audio_transcription.completed"
        if completed not in caller.kinds():
            await caller.until(completed)
        [committed] = [e for e in caller.events if e["type"] == "input_audio_buffer.committed"]
        [written] = [e for e in caller.events if e["type"] == completed]
        assert written["item_id"] == committed["item_id"]


async def test_typed_turns_are_answered_aloud_or_in_writing(call: Call) -> None:
    async with call(microphone=False) as (caller, _):
        await caller.settings(max_output_tokens=3)
        await caller.write("Hello!")
        spoken = await reply(caller)
        assert caller.audio_bytes(spoken["id"]) == frames(spoken) * FRAME_BYTES > 0
        assert spoken["status"] == "incomplete"
        assert spoken["status_details"]["reason"] == "max_output_tokens"
        await caller.write("And now?")
        written = await reply(caller, output_modalities=["text"], max_output_tokens=8)
        assert frames(written) == caller.audio_bytes(written["id"]) == 0
        assert written["output"][0]["content"][0]["type"] == "output_text"
        assert 1 <= written["usage"]["output_token_details"]["text_tokens"] <= 8


async def test_the_user_interrupts_and_is_answered(call: Call) -> None:
    async with call() as (caller, microphone):
        await caller.settings(max_output_tokens=60)
        await caller.write("Hello!")
        await caller.send("response.create")
        created = (await caller.until("response.created"))["response"]
        for _ in range(4):
            await caller.until("response.output_audio.delta")
        await caller.settings(max_output_tokens=3)
        microphone.say("Stop! " + QUESTION, voice=1)
        done = (await caller.until("response.done"))["response"]
        assert done["id"] == created["id"]
        assert done["status_details"]["reason"] == "turn_detected"
        second = (await caller.until("response.done"))["response"]
        assert second["status"] in ("completed", "incomplete")
        assert frames(second) > 0


async def test_two_callers_at_once_get_what_one_gets_alone(call: Call) -> None:
    async def written(caller: Any) -> str:
        await caller.write("Tell me something.")
        done = await reply(caller, output_modalities=["text"], max_output_tokens=30)
        return str(done["output"][0]["content"][0]["text"])

    async with call(microphone=False) as (alone, _):
        wanted = await written(alone)
    async with call(microphone=False) as (first, _), call(microphone=False) as (second, _):
        assert await asyncio.gather(written(first), written(second)) == [wanted, wanted]


async def test_codes_that_are_no_sound_are_counted(call: Call, live_server: RunningServer) -> None:
    async with call(microphone=False) as (caller, _):
        await caller.settings(max_output_tokens=5)
        await caller.write("Hello!")
        for _ in range(12):  # what is drawn differs from reply to reply
            await reply(caller, temperature=1.2, conversation="none")
            if await concealed_frames(live_server) > 0:
                return
        raise AssertionError("no frame was concealed")


async def concealed_frames(server: RunningServer) -> float:
    async with httpx.AsyncClient(base_url=server.page) as client:
        page = (await client.get("/metrics")).text
    [line] = [
        x for x in page.splitlines() if x.startswith("voiceserver_audio_concealed_frames_total ")
    ]
    return float(line.split()[1])


async def test_a_killed_engine_comes_back_and_reads_what_it_has_not_heard(
    call: Call, live_server: RunningServer
) -> None:
    async with call() as (caller, microphone):
        await caller.settings(audio=TRANSCRIBE, max_output_tokens=3)
        microphone.say(QUESTION)
        await caller.until("conversation.item.input_audio_transcription.completed")
        os.kill(engine_pid(live_server.page), signal.SIGKILL)
        while (event := await caller.next())["type"] != "error":
            continue
        assert event["error"]["code"] == "engine_restarted"
        async with httpx.AsyncClient(base_url=live_server.page) as client:
            for _ in range(600):
                if (await client.get("/health")).json()["status"] == "ok":
                    break
                await asyncio.sleep(0.05)
        microphone.say(QUESTION, voice=1)
        while (event := await caller.next())["type"] != "response.done" or (
            event["response"]["status"] == "failed"
        ):
            continue
        assert frames(event["response"]) > 0
