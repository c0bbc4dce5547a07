"""A user's open microphone: sends in real time what is to be heard at each moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.pcm16 import to_pcm16
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver_client import CallEnded, Conversation

PACKET_SAMPLES = WIRE_RATE_HZ // 50  # 20 ms
Samples = NDArray[np.float32]
Line = Callable[[int, Samples], Samples]  # position and packet -> the packet that is sent


class Microphone:
    """Async context manager; while open, packets leave at the pace of a sound card."""

    def __init__(self, call: Conversation, through: Line | None = None) -> None:
        self._call, self._through = call, through
        self._coming = np.zeros(0, np.float32)  # what will be heard, from the next packet on
        self._sent_samples = 0
        self.start_s = 0.0  # monotonic clock: when the first sample was heard
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Microphone:
        self.start_s = time.monotonic()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None, "entered before"
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def hear(self, samples: Samples, delay_s: float = 0.0) -> float:
        """Add sound; returns the moment (monotonic clock) at which its first sample is heard."""
        now_samples = int((time.monotonic() - self.start_s) * WIRE_RATE_HZ)
        # what is heard now is in the packet that leaves when it is full
        start = max(0, now_samples - self._sent_samples) + int(delay_s * WIRE_RATE_HZ)
        end = start + len(samples)
        if end > len(self._coming):
            self._coming = np.pad(self._coming, (0, end - len(self._coming)))
        self._coming[start:end] += samples
        return self.start_s + (self._sent_samples + start) / WIRE_RATE_HZ

    async def _run(self) -> None:
        while True:
            filled_s = self.start_s + (self._sent_samples + PACKET_SAMPLES) / WIRE_RATE_HZ
            await asyncio.sleep(max(0.0, filled_s - time.monotonic()))
            packet = self._coming[:PACKET_SAMPLES]
            self._coming = self._coming[PACKET_SAMPLES:]
            packet = np.pad(packet, (0, PACKET_SAMPLES - len(packet)))
            if self._through is not None:
                packet = self._through(self._sent_samples, packet)
            self._sent_samples += PACKET_SAMPLES
            try:
                await self._call.send_audio(to_pcm16(packet))
            except CallEnded:
                return  # who reads the events is told
