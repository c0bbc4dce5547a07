"""openai-python, `client.realtime`."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import kit
from openai import AsyncOpenAI


class Call:
    def __init__(self, connection: Any, microphone: kit.Microphone, given: Any) -> None:
        self.connection, self.microphone, self.given = connection, microphone, given
        self.seen = kit.Seen()

    async def read(self) -> None:
        async for event in self.connection:
            if event.type == "error":
                print("error:", event.error.to_json(), flush=True)
            self.seen.add(event)

    async def until(self, type: str, since: int) -> Any:
        return await self.seen.until(lambda e: e.type == type, since)

    async def write(self, text: str) -> int:
        """Type something; the number of events before it."""
        since = len(self.seen.events)
        await self.connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            }
        )
        await self.connection.response.create()
        return since

    async def answered(self, since: int) -> Any:
        done = await self.until("response.done", since)
        assert done.response.status == "completed", done.response.status_details
        heard = [
            base64.b64decode(e.delta)
            for e in self.seen.events[since:]
            if e.type == "response.output_audio.delta" and e.response_id == done.response.id
        ]
        assert sum(map(len, heard)) > 24_000, "no sound"
        return done.response

    async def spoken(self) -> None:
        self.microphone.say(kit.sound(self.given.question))
        await self.until("input_audio_buffer.speech_started", 0)
        await self.until("input_audio_buffer.committed", 0)
        asked = await self.until("conversation.item.input_audio_transcription.completed", 0)
        assert asked.transcript.strip(), "nothing understood"
        await self.answered(0)

    async def typed(self) -> None:
        await self.answered(await self.write(kit.TYPED))

    async def interruption(self) -> None:
        since = await self.write(kit.STORY)
        for _ in range(12):
            delta = await self.until("response.output_audio.delta", since)
            since = self.seen.events.index(delta) + 1
        self.microphone.say(kit.sound(self.given.interruption))
        await self.until("input_audio_buffer.speech_started", since)
        done = await self.until("response.done", since)
        assert done.response.status == "cancelled", done.response.status
        assert done.response.status_details.reason == "turn_detected"
        item_id = done.response.output[0].id
        await self.connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=500
        )
        truncated = await self.until("conversation.item.truncated", since)
        assert truncated.item_id == item_id
        await self.answered(self.seen.events.index(done) + 1)

    async def tool(self) -> None:
        first = await self.answered(since := await self.write(kit.WEATHER))
        calls = [item for item in first.output if item.type == "function_call"]
        assert [call.name for call in calls] == ["weather"], first.output
        assert json.loads(calls[0].arguments) == {"city": "Rome"}
        since = len(self.seen.events)
        output = {"type": "function_call_output", "call_id": calls[0].call_id}
        await self.connection.conversation.item.create(item=output | {"output": kit.DEGREES})
        await self.connection.response.create()
        await self.answered(since)


async def main() -> None:
    given = kit.arguments()
    verdicts = kit.Verdicts("openai-python realtime", "openai", patience_s=given.patience)
    client = AsyncOpenAI(base_url=given.url, api_key="none")
    async with client.realtime.connect(model="nano") as connection:

        async def append(packet: bytes) -> None:
            audio = base64.b64encode(packet).decode()
            await connection.input_audio_buffer.append(audio=audio)

        async with kit.Microphone(append).open() as microphone:
            call = Call(connection, microphone, given)
            reading = asyncio.create_task(call.read())
            transcription = {"transcription": {"model": "whisper-1"}}
            await connection.session.update(
                session={
                    "type": "realtime",
                    "tools": [kit.WEATHER_FUNCTION],
                    "audio": {"input": transcription},
                }
            )
            for name in ("spoken", "typed", "interruption", "tool"):
                await verdicts.step(name, getattr(call, name)())
            reading.cancel()
    verdicts.print()


asyncio.run(main())
