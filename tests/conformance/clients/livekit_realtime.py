"""LiveKit agents, `openai.realtime.RealtimeModel` in an `AgentSession`."""

from __future__ import annotations

import asyncio

import kit
from livekit.plugins.openai.realtime import RealtimeModel
from livekit_kit import NOTE, Bot, called, remembers_after_reconnecting, weather


class Call:
    def __init__(self, bot: Bot, given: object) -> None:
        self.bot, self.given = bot, given

    async def spoken(self) -> None:
        heard_s = self.bot.mouth.loud_s
        self.bot.microphone.say(kit.sound(self.given.question))
        await self.bot.until(lambda event: getattr(event, "new_state", "") == "speaking")
        await self.bot.recorded("user", "capital")
        await self.bot.recorded("assistant", "heard you")
        assert self.bot.mouth.loud_s > heard_s + 0.5, "no sound"

    async def typed(self) -> None:
        heard_s = self.bot.mouth.loud_s
        await self.bot.session.generate_reply(user_input=kit.TYPED)
        await self.bot.recorded("assistant", "heard you")
        assert self.bot.mouth.loud_s > heard_s + 0.5, "no sound"

    async def interruption(self) -> None:
        told = self.bot.session.generate_reply(user_input=kit.STORY)
        await self.bot.speaks()
        self.bot.microphone.say(kit.sound(self.given.interruption))
        await told
        assert told.interrupted, "the story was told to its end"
        story = await self.bot.recorded("assistant", "once")
        assert story.interrupted, story
        assert len(story.text_content.split()) < 60, story
        await self.bot.recorded("user", "Italy")
        await self.bot.recorded("assistant", "heard you")

    async def tool(self) -> None:
        await self.bot.session.generate_reply(user_input=kit.WEATHER)
        assert called == ["Rome"], called
        await self.bot.recorded("assistant", kit.DEGREES)


async def main() -> None:
    given = kit.arguments()
    verdicts = kit.Verdicts(
        "LiveKit RealtimeModel",
        "livekit-agents",
        "livekit-plugins-openai",
        patience_s=given.patience,
    )
    address = {"base_url": given.url, "api_key": "none", "model": "nano"}
    model = RealtimeModel(**address)
    bot = Bot(model)
    async with bot.running(weather):
        await bot.take_steps(Call(bot, given), verdicts)
    await model.aclose()
    model = RealtimeModel(**address, max_session_duration=8)
    call = remembers_after_reconnecting(Bot(model), lambda agent: agent.realtime_llm_session)
    await verdicts.step("reconnect", call)
    await model.aclose()
    verdicts.print(NOTE)


asyncio.run(main())
