"""Pipecat, `OpenAILiveLLMService` in a pipeline; Responses delegation for the tool."""

from __future__ import annotations

import asyncio

import kit
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    FunctionCallResultFrame,
    InterimTranscriptionFrame,
    LLMRunFrame,
    TranscriptionFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.openai.live.llm import OpenAILiveLLMService
from pipecat.services.openai.responses.llm import OpenAIResponsesLLMService
from pipecat_kit import Bot, called, weather

NOTE = (
    "a pipeline with a headless transport at real time; the typed turn is the context's last"
    " developer message, which the service sends as commentary: it knows no other; the story and"
    " the weather are asked for by voice"
)


class Call:
    def __init__(self, bot: Bot, given: object) -> None:
        self.bot, self.given = bot, given

    async def ask(self, sound: str) -> int:
        since = self.bot.now
        self.bot.microphone.say(kit.sound(sound))
        await self.bot.until(TranscriptionFrame, since)
        return since

    async def typed(self) -> None:
        await self.bot.worker.queue_frame(LLMRunFrame())
        await self.bot.until(BotStartedSpeakingFrame, 0)
        await self.bot.recorded("assistant", "heard you")
        assert self.bot.mouth.loud_s() > 0.5, "no sound"

    async def spoken(self) -> None:
        played = len(self.bot.mouth.played)
        since = await self.ask(self.given.question)
        await self.bot.recorded("user", "capital")
        await self.bot.until(BotStartedSpeakingFrame, since)
        await self.bot.recorded("assistant", "heard you")
        assert self.bot.mouth.loud_s(played) > 0.5, "no sound"

    async def interruption(self) -> None:
        since = await self.ask(self.given.story)
        since = await self.bot.until(BotStartedSpeakingFrame, since)
        await asyncio.sleep(2)
        self.bot.microphone.say(kit.sound(self.given.interruption))
        await self.bot.until(InterimTranscriptionFrame, since)
        heard = self.bot.mouth.loud_s()
        await self.bot.recorded("user", "Italy")
        await self.bot.recorded("assistant", "heard you")
        assert self.bot.mouth.loud_s() - heard < 5, "the story went on"

    async def tool(self) -> None:
        since = await self.ask(self.given.weather)
        await self.bot.until(FunctionCallResultFrame, since)
        assert called == ["Rome"], called
        await self.bot.recorded("assistant", kit.DEGREES)


async def main() -> None:
    given = kit.arguments()
    verdicts = kit.Verdicts("Pipecat OpenAILiveLLMService", "pipecat-ai", patience_s=given.patience)
    backend = OpenAIResponsesLLMService.Settings(model="any")
    service = OpenAILiveLLMService(
        api_key="none",
        base_url=given.url.replace("http", "ws", 1) + "/live/sessions",
        settings=OpenAILiveLLMService.Settings(system_instruction="Be brief."),
        delegation=OpenAILiveLLMService.ResponsesDelegation(settings=backend),
    )
    context = LLMContext([{"role": "developer", "content": kit.TYPED}], tools=[weather])
    bot = Bot(service, context)
    async with bot.running():
        await bot.take_steps(Call(bot, given), verdicts)
    verdicts.print(NOTE)


asyncio.run(main())
