"""What the two Pipecat clients share: a headless transport, a pipeline around a service, watching.

The transport stands for a sound card: a microphone at real time, a loudspeaker at real time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import kit
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
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
    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self._ready = False

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._ready = True

    async def hear(self, packet: bytes) -> None:
        if not self._ready:
            return
        frame = InputAudioRawFrame(audio=packet, sample_rate=kit.RATE_HZ, num_channels=1)
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

    def __init__(self, service: LLMService[Any], context: LLMContext) -> None:
        parameters = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        self.service, self.context = service, context
        self.ear, self.mouth, self.watch = Ear(parameters), Mouth(parameters), Watch()
        self.microphone = kit.Microphone(self.ear.hear)
        self.errors: list[str] = []
        self._step_begins = 0  # at this message of the conversation
        user, assistant = LLMContextAggregatorPair(context)
        self.worker = PipelineWorker(
            Pipeline([self.ear, user, service, self.mouth, assistant]),
            params=PipelineParams(
                audio_in_sample_rate=kit.RATE_HZ, audio_out_sample_rate=kit.RATE_HZ
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

    async def run(self, call: object, verdicts: kit.Verdicts) -> None:
        """Take a call's steps while the pipeline runs, then end it."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        running = asyncio.create_task(runner.run())
        async with self.microphone.open():
            for name in ("typed", "spoken", "interruption", "tool"):
                self._step_begins = len(self.context.get_messages())
                await verdicts.step(name, getattr(call, name)())
            await self.worker.end()
            await asyncio.wait_for(running, 30)
