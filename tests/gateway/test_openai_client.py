"""The unmodified `openai` client holds turns with this server."""

from __future__ import annotations

import base64

import numpy as np
from gateway_calls import Gateway, silence, tone
from openai import AsyncOpenAI


async def test_a_typed_and_a_spoken_turn(gateway: Gateway) -> None:
    client = AsyncOpenAI(base_url=f"{gateway.http}/v1", api_key="none")
    async with client.realtime.connect(model="nano") as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "instructions": "Be brief.",
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            }
        )
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "hello"}],
            }
        )
        await connection.response.create()
        assert await reply(connection) == "I heard hello."
        sound = np.concatenate([silence(0.9), tone(0.8), silence(0.8)]).tobytes()
        await connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())
        assert await reply(connection) == "I heard turn 1."
    models = await client.models.list()
    await client.close()
    assert [model.id for model in models.data] == ["nano"]


async def reply(connection) -> str:  # type: ignore[no-untyped-def]
    """The transcript of the next reply, which must have come with its sound."""
    transcript, sound = "", 0
    async for event in connection:
        assert event.type != "error", event
        if event.type == "response.output_audio_transcript.delta":
            transcript += event.delta
        if event.type == "response.output_audio.delta":
            sound += len(base64.b64decode(event.delta))
        if event.type == "response.done":
            assert event.response.status == "completed"
            assert event.response.usage.total_tokens > 0
            assert sound > 24000
            return transcript
    raise AssertionError("the connection ended before the reply")
