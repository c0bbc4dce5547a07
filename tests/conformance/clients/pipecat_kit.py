"""What the two Pipecat clients share: a headless transport, a pipeline around a service, watching.

The transport stands for a sound card: a microphone at real time, a loudspeaker at real time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import kit
from pipecat.audio.utils import create_stream_resampler
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

called: list[str] = []


async def weather(params: FunctionCallParams, city: str) -> None:
    """The weather in a city.

    Args:
        city: its name.
    """
    called.append(city)
    await params.result_callback({"weather": kit.DEGREES})


class Ear(BaseInputTransport):
    """Hears at Pipecat's usual 16 kHz, which is what its own turn detection needs."""

    RATE_HZ = 16_000

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self._ready = False
        self._to_rate = create_stream_resampler()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._ready = True

    async def hear(self, packet: bytes) -> None:
        if not self._ready:
            return
        audio = await self._to_rate.resample(packet, kit.RATE_HZ, self.RATE_HZ)
        if audio:
            frame = InputAudioRawFrame(audio=audio, sample_rate=self.RATE_HZ, num_channels=1)
            await self.push_audio_frame(frame)


class Mouth(BaseOutputTransport):
    """Plays as fast as a loudspeaker does, and keeps what was played."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.played: list[bytes] = []
        self._ends_s = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.played.append(frame.audio)
        self._ends_s = max(self._ends_s, time.monotonic())
        self._ends_s += len(frame.audio) / 2 / frame.sample_rate
        await asyncio.sleep(self._ends_s - time.monotonic())
        return True

    def loud_s(self, since: int = 0) -> float:
        """How much of what was played since then can be heard."""
        loud = [packet for packet in self.played[since:] if kit.is_loud(packet)]
        return sum(map(len, loud)) / 2 / kit.RATE_HZ


class Watch(BaseObserver):
    """Every frame once, as it is first pushed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = kit.Seen()

    async def on_push_frame(self, data: FramePushed) -> None:
        if data.first_push:
            self.seen.add(data.frame)


class Bot:
    """A pipeline around a service."""

    def __init__(
        self,
        service: LLMService[Any],
        context: LLMContext,
        user: LLMUserAggregatorParams | None = None,
    ) -> None:
        parameters = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        self.service, self.context = service, context
        self.ear, self.mouth, self.watch = Ear(parameters), Mouth(parameters), Watch()
        self.microphone = kit.Microphone(self.ear.hear)
        self.errors: list[str] = []
        self._step_begins = 0  # at this message of the conversation
        hears, says = LLMContextAggregatorPair(context, user_params=user)
        self.worker = PipelineWorker(
            Pipeline([self.ear, hears, service, self.mouth, says]),
            params=PipelineParams(
                audio_in_sample_rate=Ear.RATE_HZ, audio_out_sample_rate=kit.RATE_HZ
            ),
            observers=[self.watch],
            idle_timeout_secs=None,
        )
        self.worker.add_event_handler("on_pipeline_error", self._on_error)

    async def _on_error(self, worker: object, frame: Any) -> None:
        print("error:", frame.error, flush=True)
        self.errors.append(frame.error)

    async def until(self, kind: type[Frame], since: int) -> int:
        """The place after the next frame of this kind."""
        frame = await self.watch.seen.until(lambda f: isinstance(f, kind), since)
        return next(i for i, f in enumerate(self.watch.seen.events) if f is frame) + 1

    @property
    def now(self) -> int:
        """The place of the frame to come."""
        return len(self.watch.seen.events)

    async def recorded(self, role: str, words: str) -> None:
        """Until Pipecat's own record has such words of this role, said in this step."""
        while not any(words in text for text in self._said(role)):
            await self.watch.seen.until(lambda frame: True, self.now)
        assert not self.errors, self.errors

    def _said(self, role: str) -> list[str]:
        messages = self.context.get_messages()[self._step_begins :]
        return [m["content"] for m in messages if m["role"] == role and "content" in m]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The pipeline runs, and ends."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        running = asyncio.create_task(runner.run())
        async with self.microphone.open():
            yield
            await self.worker.end()
            await asyncio.wait_for(running, 30)

    async def take_steps(self, call: object, verdicts: kit.Verdicts) -> None:
        """A call's steps; the typed turn is the one that begins."""
        for name in ("typed", "spoken", "interruption", "tool"):
            self.new_step()
            await verdicts.step(name, getattr(call, name)())

    def new_step(self) -> None:
        """What has been recorded until now is no longer looked at."""
        self._step_begins = len(self.context.get_messages())
