"""Real audio to the real server with the real weights: turns, interruptions, and false alarms."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI

from voiceserver.cli.own_server import RunningServer
from voiceserver.scenes.kokoro import VOICES, speak

pytestmark = pytest.mark.e2e
Call = Callable[..., AbstractAsyncContextManager[tuple[Any, Any]]]
TRANSCRIBE = {"input": {"transcription": {"model": "whisper-1"}}}
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
STORY = "Tell me a long story about a dog, a cat and the sea."


async def test_a_spoken_question_is_understood_and_answered_aloud(call: Call) -> None:
    async with call() as (caller, microphone):
        await caller.settings(audio=TRANSCRIBE)
        microphone.say("What is the capital of France?")
        asked = await caller.until(TRANSCRIBED)
        assert "capital of france" in asked["transcript"].lower()
        done = (await caller.until("response.done"))["response"]
        assert done["status"] == "completed"
        transcript = done["output"][0]["content"][0]["transcript"]
        seconds = caller.audio_bytes(done["id"]) / 48000
        words = len(transcript.split())
        assert words >= 3
        assert 0.15 * words < seconds < 1.5 * words  # as people speak
        assert done["usage"]["output_token_details"]["audio_tokens"] > 0
        timing = next(e for e in caller.events if e["type"] == "voiceserver.turn.timing")
        assert timing["end_of_turn_ms"] <= timing["first_audio_ms"]


async def test_the_transcript_runs_in_step_with_the_sound(call: Call) -> None:
    async with call(microphone=False) as (caller, _):
        await caller.write("What is the capital of France?")
        await caller.send("response.create")
        await caller.until("response.done")
        heard_s, words = 0.0, []
        for event in caller.events:
            if event["type"] == "response.output_audio.delta":
                heard_s += len(base64.b64decode(event["delta"])) / 48000
            if event["type"] == "response.output_audio_transcript.delta":
                words.append(heard_s)
        assert len(words) >= 3
        assert words == sorted(words)
        assert words[0] < 0.8
        assert heard_s / 3 < words[-1] < heard_s  # the last word neither early nor at the end


async def test_the_openai_client_types_and_speaks(live_server: RunningServer) -> None:
    async with (
        AsyncOpenAI(base_url=f"{live_server.page.rstrip('/')}/v1", api_key="none") as client,
        client.realtime.connect(model="nano") as connection,
    ):
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        content: Any = [{"type": "input_text", "text": "What is the capital of France?"}]
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}
        )
        await connection.response.create()
        assert "paris" in (await whole_reply(connection)).lower()
        question = np.asarray(speak("How many days are there in a week?", VOICES[1]))
        sound = (np.concatenate([question, np.zeros(24000)]) * 32767).astype("<i2").tobytes()
        await connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())
        assert len(await whole_reply(connection)) > 3


async def whole_reply(connection: Any) -> str:
    text = ""
    async for event in connection:
        assert event.type != "error", event
        if event.type == "response.output_text.delta":
            text += event.delta
        if event.type == "response.done":
            assert event.response.status == "completed"
            return text
    raise AssertionError("the connection ended before the reply")


async def speaking(caller: Any) -> dict[str, Any]:
    """Have the assistant tell a long story; return its response once it can be heard."""
    await caller.settings(audio=TRANSCRIBE)
    await caller.write(STORY)
    await caller.send("response.create")
    created: dict[str, Any] = (await caller.until("response.created"))["response"]
    for _ in range(15):
        await caller.until("response.output_audio.delta")
    return created


async def test_the_user_interrupts_and_is_answered(call: Call) -> None:
    async with call() as (caller, microphone):
        story = await speaking(caller)
        microphone.say("Stop! What is the capital of France?", voice=1)
        await caller.until("input_audio_buffer.speech_started")
        done = (await caller.until("response.done"))["response"]
        assert done["id"] == story["id"]
        assert done["status_details"]["reason"] == "turn_detected"
        sent = caller.audio_bytes(story["id"])
        stopped = await caller.until("voiceserver.interruption.timing")
        assert stopped["heard_ms"] <= sent / 48 + 100
        item = done["output"][0]
        end_ms = stopped["heard_ms"] // 2
        await caller.send("conversation.item.truncate", item_id=item["id"], audio_end_ms=end_ms)
        await caller.until("conversation.item.truncated")
        await caller.send("conversation.item.retrieve", item_id=item["id"])
        kept = (await caller.until("conversation.item.retrieved"))["item"]
        full = item["content"][0]["transcript"]
        assert full.startswith(kept["content"][0]["transcript"])
        assert len(kept["content"][0]["transcript"]) < len(full)
        second = (await caller.until("response.done"))["response"]
        assert second["status"] == "completed"
        assert caller.audio_bytes(story["id"]) == sent


async def test_a_cough_does_not_interrupt(call: Call) -> None:
    async with call() as (caller, microphone):
        await speaking(caller)
        rng = np.random.default_rng(1)
        decay = np.exp(-np.arange(4800) / 1200)  # 200 ms, as a cough dies away
        microphone.hear((rng.standard_normal(4800) * decay * 8000).astype(np.int16))
        later = [e["type"] for e in await caller.nothing_more(1.2)]
        assert "input_audio_buffer.speech_started" not in later


async def test_its_own_voice_at_minus_20_db_does_not_interrupt(call: Call) -> None:
    async with call() as (caller, microphone):
        await caller.settings(max_output_tokens=50)
        await caller.write(STORY)
        await caller.send("response.create")
        while (event := await caller.next())["type"] != "response.done":
            if event["type"] == "response.output_audio.delta":
                voice = np.frombuffer(base64.b64decode(event["delta"]), "<i2")
                microphone.hear((voice / 10).astype(np.int16))
            assert event["type"] != "input_audio_buffer.speech_started"
        assert event["response"]["status"] in ("completed", "incomplete")
