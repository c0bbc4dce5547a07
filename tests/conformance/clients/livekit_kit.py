"""What the two LiveKit clients share: an `AgentSession` with a sound card of our own, no room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import kit
from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import io

called: list[str] = []
NOTE = "AgentSession with custom audio input and output (at real time) instead of a room"


@function_tool
async def weather(city: str) -> str:
    """The weather in a city."""
    called.append(city)
    return kit.DEGREES


class Ear(io.AudioInput):
    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._waiting: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def hear(self, packet: bytes) -> None:
        frame = rtc.AudioFrame(
            data=packet,
            sample_rate=kit.RATE_HZ,
            num_channels=1,
            samples_per_channel=len(packet) // 2,
        )
        self._waiting.put_nowait(frame)

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._waiting.get()


class Mouth(io.AudioOutput):
    """Plays as fast as a loudspeaker does, and counts what could be heard."""

    def __init__(self) -> None:
        super().__init__(
            label="loudspeaker",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=kit.RATE_HZ,
        )
        self.loud_s = 0.0
        self.played = asyncio.Event()  # something has been
        self._waiting: list[rtc.AudioFrame] = []
        self._played_s = 0.0  # of the segment
        self._flushed = False

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._waiting.append(frame)

    def flush(self) -> None:
        super().flush()
        self._flushed = True

    def clear_buffer(self) -> None:
        if self._waiting or self._played_s:
            self._waiting.clear()
            self._finish(interrupted=True)

    def _finish(self, interrupted: bool) -> None:
        position, self._played_s, self._flushed = self._played_s, 0.0, False
        self.on_playback_finished(playback_position=position, interrupted=interrupted)

    async def play(self) -> None:
        """Play what comes, forever."""
        due_s = time.monotonic()
        while True:
            if self._waiting:
                frame = self._waiting.pop(0)
                if not self._played_s:
                    self.on_playback_started(created_at=time.time())
                self._played_s += frame.duration
                self.loud_s += frame.duration * kit.is_loud(bytes(frame.data))
                self.played.set()
                due_s = max(due_s, time.monotonic()) + frame.duration
            elif self._flushed and self._played_s:
                self._finish(interrupted=False)
            await asyncio.sleep(max(0.01, due_s - time.monotonic()))


class Bot:
    """An agent in a session around a model."""

    def __init__(self, model: Any) -> None:
        self.session: AgentSession[None] = AgentSession(llm=model)
        self.ear, self.mouth, self.seen = Ear(), Mouth(), kit.Seen()
        self.microphone = kit.Microphone(self.ear.hear)
        self.errors: list[str] = []
        self._step_begins = 0
        for name in ("user_state_changed", "agent_state_changed", "user_input_transcribed"):
            self.session.on(name, self.seen.add)
        for name in ("conversation_item_added", "function_tools_executed"):
            self.session.on(name, self.seen.add)
        self.session.on("error", self._on_error)

    def _on_error(self, event: Any) -> None:
        print("error:", event.error, flush=True)
        self.errors.append(str(event.error))

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """The first such event of this step."""
        event = await self.seen.until(wanted, self._step_begins)
        assert not self.errors, self.errors
        return event

    async def recorded(self, role: str, words: str) -> Any:
        """The message of this role with such words, in LiveKit's own record."""

        def is_it(event: Any) -> bool:
            item = getattr(event, "item", None)
            said = (getattr(item, "text_content", None) or "").lower()
            return getattr(item, "role", "") == role and words.lower() in said

        return (await self.until(is_it)).item

    async def speaks(self) -> None:
        """The assistant speaks, for some seconds."""
        begins_s = self.mouth.loud_s
        await self.until(lambda event: getattr(event, "new_state", "") == "speaking")
        while self.mouth.loud_s < begins_s + 2:
            await self.mouth.played.wait()
            self.mouth.played.clear()

    @asynccontextmanager
    async def running(self, *tools: Any) -> AsyncIterator[None]:
        """The session runs, with an agent that has these tools."""
        self.session.input.audio, self.session.output.audio = self.ear, self.mouth
        playing = asyncio.create_task(self.mouth.play())
        await self.session.start(Agent(instructions="Be brief.", tools=list(tools)))
        try:
            async with self.microphone.open():
                yield
        finally:
            await self.session.aclose()
            playing.cancel()

    async def take_steps(self, call: object, verdicts: kit.Verdicts) -> None:
        """A call's steps, one after the other."""
        for name in kit.STEPS:
            self.new_step()
            await verdicts.step(name, getattr(call, name)())

    def new_step(self) -> None:
        """What has happened until now is no longer looked at."""
        self._step_begins = len(self.seen.events)


async def remembers_after_reconnecting(bot: Bot, session_of: Callable[[Agent], Any]) -> None:
    """LiveKit opens a new connection every so often, and tells it what was said before."""
    async with bot.running():
        reconnected = asyncio.Event()
        session = session_of(bot.session.current_agent)
        session.on("session_reconnected", lambda event: reconnected.set())
        bot.session.generate_reply(user_input=kit.TYPED)
        await bot.recorded("assistant", "heard you")
        await reconnected.wait()
        await asyncio.sleep(1)  # what is asked before the replay is confirmed is put before it
        bot.session.generate_reply(user_input=kit.RECALL)
        await bot.recorded("assistant", kit.TYPED)
