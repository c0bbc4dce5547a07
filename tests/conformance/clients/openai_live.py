"""openai-python, `client.live`: Responses delegation for the tool."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import kit
from openai import AsyncOpenAI

DELEGATION = {
    "type": "responses",
    "responses": {"model": "any", "tools": [kit.WEATHER_FUNCTION]},
}


class Call:
    def __init__(self, connection: Any, microphone: kit.Microphone, given: Any) -> None:
        self.connection, self.microphone, self.given = connection, microphone, given
        self.seen = kit.Seen()

    async def read(self) -> None:
        async for event in self.connection:
            if event.type in ("error", "info"):
                print(event.to_json(), flush=True)
            self.seen.add(event)

    async def until(self, type: str, since: int) -> Any:
        return await self.seen.until(lambda e: e.type == type, since)

    async def ask(self, text: str) -> int:
        since = len(self.seen.events)
        await self.connection.session.commentary.append(content=text, delegation_id=None)
        return since

    async def answered(self, since: int) -> str:
        """The assistant speaks, and has finished: words with sound, then a second of silence."""
        text, loud, quiet, at = "", 0, 0, since
        while not (text and loud > 4 and quiet > 12):
            event = await self.seen.until(lambda e: True, at)
            at += 1
            if event.type == "session.output_transcript.delta":
                text += event.delta
            if event.type == "session.output_audio.delta":
                is_loud = kit.is_loud(base64.b64decode(event.delta))
                loud += is_loud
                quiet = 0 if is_loud else quiet + 1
        return text

    async def spoken(self) -> None:
        self.microphone.say(kit.sound(self.given.question))
        heard = await self.until("session.input_transcript.delta", 0)
        assert heard.delta.strip(), "nothing understood"
        assert heard.end_ms > heard.start_ms
        await self.answered(0)

    async def typed(self) -> None:
        await self.answered(await self.ask(kit.TYPED))

    async def interruption(self) -> None:
        since = await self.ask(kit.STORY)
        for _ in range(8):
            word = await self.until("session.output_transcript.delta", since)
            since = self.seen.events.index(word) + 1
        self.microphone.say(kit.sound(self.given.interruption))
        heard = await self.until("session.input_transcript.delta", since)
        told = [e for e in self.seen.events if e.type == "session.output_transcript.delta"]
        assert len(told) < 60, "the story was told to its end"
        await self.answered(self.seen.events.index(heard))

    async def tool(self) -> None:
        since = await self.ask(kit.WEATHER)
        created = await self.until("session.delegation.created", since)

        def is_call(event: Any) -> bool:
            inner = event.event if event.type == "response.event" else {}
            return inner.get("type") == "response.output_item.done"

        call = (await self.seen.until(is_call, since)).event["item"]
        assert (call["name"], json.loads(call["arguments"])) == ("weather", {"city": "Rome"})
        await self.answered(since)
        since = len(self.seen.events)
        output = {"type": "function_call_output", "call_id": call["call_id"]}
        await self.connection.response.item.create(item=output | {"output": kit.DEGREES})
        await self.connection.response.create()
        text = await self.answered(since)
        assert "20" in text, text
        continued = await self.until("response.event", since)
        assert continued.delegation_id == created.delegation.id


async def main() -> None:
    given = kit.arguments()
    verdicts = kit.Verdicts("openai-python live", "openai", patience_s=given.patience)
    client = AsyncOpenAI(base_url=given.url, api_key="none")
    async with client.live.connect() as connection:

        async def append(packet: bytes) -> None:
            audio = base64.b64encode(packet).decode()
            await connection.session.input_audio.append(audio=audio)

        microphone = kit.Microphone(append)
        call = Call(connection, microphone, given)
        reading = asyncio.create_task(call.read())
        await connection.session.start(session={"model": "gpt-live-1", "delegation": DELEGATION})
        await call.until("session.started", 0)
        async with microphone.open():
            for name in ("spoken", "typed", "interruption", "tool"):
                await verdicts.step(name, getattr(call, name)())
        await connection.session.close()
        await call.until("session.closed", 0)
        reading.cancel()
    verdicts.print("what is typed is appended as commentary: GPT-Live has no other text")


asyncio.run(main())
