"""Pipecat, `OpenAIRealtimeLLMService` in a pipeline; the server's turn detection."""

from __future__ import annotations

import asyncio
from typing import Any

import kit
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat_kit import Bot, called, weather

NOTE = (
    "a pipeline with a headless transport at real time; the typed turn is the context's first user"
    " message, later texts are LLMMessagesAppendFrame at the service"
)


class Call:
    def __init__(self, bot: Bot, given: Any) -> None:
        self.bot, self.given = bot, given

    async def answered(self, since: int) -> None:
        """An answer is heard to its end."""
        await self.bot.until(BotStoppedSpeakingFrame, await self.speaks(since))
        await self.bot.recorded("assistant", "heard you")

    async def speaks(self, since: int) -> int:
        return await self.bot.until(BotStartedSpeakingFrame, since)

    async def append(self, text: str) -> int:
        since = self.bot.now
        frame = LLMMessagesAppendFrame([{"role": "user", "content": text}], run_llm=True)
        await self.bot.service.queue_frame(frame)
        return since

    async def typed(self) -> None:
        await self.bot.worker.queue_frame(LLMRunFrame())
        await self.answered(0)
        assert self.bot.mouth.loud_s() > 0.5, "no sound"

    async def spoken(self) -> None:
        since, played = self.bot.now, len(self.bot.mouth.played)
        self.bot.microphone.say(kit.sound(self.given.question))
        since = await self.bot.until(UserStartedSpeakingFrame, since)
        await self.bot.until(TranscriptionFrame, since)
        await self.answered(since)
        await self.bot.recorded("user", "capital")
        assert self.bot.mouth.loud_s(played) > 0.5, "no sound"

    async def interruption(self) -> None:
        since = await self.speaks(await self.append(kit.STORY))
        await asyncio.sleep(2)
        self.bot.microphone.say(kit.sound(self.given.interruption))
        since = await self.bot.until(InterruptionFrame, since)
        heard = self.bot.mouth.loud_s()
        await self.answered(since)
        await self.bot.recorded("user", "Italy")
        assert self.bot.mouth.loud_s() - heard < 5, "the story went on"

    async def tool(self) -> None:
        since = await self.append(kit.WEATHER)
        await self.bot.until(FunctionCallResultFrame, since)
        assert called == ["Rome"], called
        await self.bot.recorded("assistant", kit.DEGREES)


def bot_at(given: Any, turn_detection: bool) -> Bot:
    """A bot that leaves turns to the server, or takes them itself."""
    listening = events.AudioInput(
        transcription=events.InputAudioTranscription(model="whisper-1"),
        turn_detection=None if turn_detection else False,
    )
    audio = events.AudioConfiguration(input=listening)
    service = OpenAIRealtimeLLMService(
        api_key="none",
        base_url=given.url.replace("http", "ws", 1) + "/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model="nano",
            system_instruction="Be brief.",
            session_properties=events.SessionProperties(audio=audio),
        ),
    )
    context = LLMContext([{"role": "user", "content": kit.TYPED}], tools=[weather])
    user = None if turn_detection else LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    return Bot(service, context, user)


async def takes_turns_itself(bot: Bot, given: Any) -> None:
    """Pipecat's own turn detection: it commits, asks for responses, clears, cancels, truncates."""
    async with bot.running():
        call = Call(bot, given)
        for step in (call.typed, call.spoken, call.interruption):
            bot.new_step()
            await step()


async def main() -> None:
    given = kit.arguments()
    verdicts = kit.Verdicts(
        "Pipecat OpenAIRealtimeLLMService", "pipecat-ai", patience_s=given.patience
    )
    bot = bot_at(given, turn_detection=True)
    async with bot.running():
        await bot.take_steps(Call(bot, given), verdicts)
    itself = takes_turns_itself(bot_at(given, turn_detection=False), given)
    await verdicts.step("local turns", itself)
    verdicts.print(NOTE)


asyncio.run(main())
