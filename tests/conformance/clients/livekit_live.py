"""LiveKit agents, `openai.realtime.GPTLiveModel` in an `AgentSession`; Responses delegation."""

from __future__ import annotations

import asyncio

import kit
from livekit.plugins.openai.realtime import GPTLiveDelegation, GPTLiveModel
from livekit_kit import NOTE, Bot, called, remembers_after_reconnecting, weather


class Call:
    def __init__(self, bot: Bot, given: object) -> None:
        self.bot, self.given = bot, given

    async def spoken(self) -> None:
        heard_s = self.bot.mouth.loud_s
        self.bot.microphone.say(kit.sound(self.given.question))
        await self.bot.recorded("user", "capital")
        await self.bot.recorded("assistant", "heard you")
        assert self.bot.mouth.loud_s > heard_s + 0.5, "no sound"

    async def typed(self) -> None:
        heard_s = self.bot.mouth.loud_s
        self.bot.session.generate_reply(user_input=kit.TYPED)
        await self.bot.recorded("assistant", "heard you")
        assert self.bot.mouth.loud_s > heard_s + 0.5, "no sound"

    async def interruption(self) -> None:
        self.bot.session.generate_reply(user_input=kit.STORY)
        await self.bot.speaks()
        self.bot.microphone.say(kit.sound(self.given.interruption))
        story = await self.bot.recorded("assistant", "once")
        assert len(story.text_content.split()) < 60, story
        await self.bot.recorded("user", "Italy")
        await self.bot.recorded("assistant", "heard you")

    async def tool(self) -> None:
        self.bot.session.generate_reply(user_input=kit.WEATHER)
        await self.bot.recorded("assistant", kit.DEGREES)
        assert called == ["Rome"], called


async def delegates_to_us(bot: Bot, given: object) -> None:
    """The model hands the work over to the application, which answers in words."""
    async with bot.running():
        session = bot.session.current_agent.duplex_session

        def answer(delegation: GPTLiveDelegation) -> None:
            session.append_commentary(kit.DEGREES, delegation_id=delegation.id)

        session.on("delegation_created", answer)
        bot.microphone.say(kit.sound(given.weather))
        await bot.recorded("user", "weather")
        await bot.recorded("assistant", kit.DEGREES)


async def main() -> None:
    given = kit.arguments()
    verdicts = kit.Verdicts(
        "LiveKit GPTLiveModel",
        "livekit-agents",
        "livekit-plugins-openai",
        patience_s=given.patience,
    )
    address = {"base_url": given.url, "api_key": "none"}
    model = GPTLiveModel(**address)
    bot = Bot(model)
    async with bot.running(weather):
        await bot.take_steps(Call(bot, given), verdicts)
    await model.aclose()
    model = GPTLiveModel(**address, delegation="client")
    await verdicts.step("client delegation", delegates_to_us(Bot(model), given))
    await model.aclose()
    model = GPTLiveModel(**address, max_session_duration=8)
    call = remembers_after_reconnecting(Bot(model), lambda agent: agent.duplex_session)
    await verdicts.step("reconnect", call)
    await model.aclose()
    verdicts.print(f"{NOTE}; the plugin sends what is typed as commentary")


asyncio.run(main())
