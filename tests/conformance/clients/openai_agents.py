"""openai-agents-python: `RealtimeRunner`, which runs the tool by itself."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import kit

os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner

called: list[str] = []


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    called.append(city)
    return kit.DEGREES


class Call:
    def __init__(self, session: Any, microphone: kit.Microphone, given: Any) -> None:
        self.session, self.microphone, self.given = session, microphone, given
        self.seen = kit.Seen()

    async def read(self) -> None:
        async for event in self.session:
            if event.type == "error":
                print("error:", event.error, flush=True)
            self.seen.add(event)

    async def until(self, type: str, since: int) -> int:
        """The place after the next event of this type."""
        event = await self.seen.until(lambda e: e.type == type, since)
        return next(i for i, e in enumerate(self.seen.events) if e is event) + 1

    async def answered(self, since: int) -> int:
        """A turn with sound has ended; the place after it."""
        await self.until("audio", since)
        return await self.until("agent_end", since)

    async def write(self, text: str) -> int:
        since = len(self.seen.events)
        await self.session.send_message(text)
        return since

    async def spoken(self) -> None:
        self.microphone.say(kit.sound(self.given.question))
        await self.answered(0)

        def is_heard(event: Any) -> bool:
            items = getattr(event, "history", [])
            users = [i for i in items if getattr(i, "role", "") == "user"]
            return any(getattr(c, "transcript", None) for item in users for c in item.content)

        await self.seen.until(is_heard)

    async def typed(self) -> None:
        await self.answered(await self.write(kit.TYPED))

    async def interruption(self) -> None:
        since = await self.write(kit.STORY)
        for _ in range(12):
            since = await self.until("audio", since)
        self.microphone.say(kit.sound(self.given.interruption))
        since = await self.until("audio_interrupted", since)
        await self.answered(await self.until("agent_start", since))

    async def tool(self) -> None:
        since = await self.until("tool_end", await self.write(kit.WEATHER))
        assert called == ["Rome"], called
        assert self.seen.events[since - 1].output == kit.DEGREES
        await self.until("audio", since)
        await self.until("agent_end", since)
        assert not [e for e in self.seen.events if e.type == "error"], "errors were seen"


async def main() -> None:
    given = kit.arguments()
    verdicts = kit.Verdicts(
        "openai-agents-python", "openai-agents", "openai", patience_s=given.patience
    )
    agent = RealtimeAgent(name="assistant", instructions="Be brief.", tools=[weather])
    url = given.url.replace("http", "ws", 1) + "/realtime?model=nano"
    session = await RealtimeRunner(agent).run(model_config={"url": url, "api_key": "none"})
    async with session:
        microphone = kit.Microphone(session.send_audio)
        async with microphone.open():
            call = Call(session, microphone, given)
            reading = asyncio.create_task(call.read())
            for name in ("spoken", "typed", "interruption", "tool"):
                await verdicts.step(name, getattr(call, name)())
            reading.cancel()
    verdicts.print()


asyncio.run(main())
