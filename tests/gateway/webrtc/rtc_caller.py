"""A WebRTC client on aiortc: a microphone that says what it is told, an ear that keeps everything.

Every event it receives is validated against the types of the `openai` package.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame
from gateway_calls import EVENT_TYPES, PATIENCE_S, Event, Gateway

RATE_HZ = 48_000
FRAME_SAMPLES = 960


def tone(seconds: float) -> np.ndarray:
    """What the scripted engine takes for speech: int16 at 48 kHz."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (12000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16)


class Microphone(MediaStreamTrack):
    """Paced; silence, unless there is something to say."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._waiting = np.zeros(0, np.int16)
        self._sent_samples = 0
        self._began_s: float | None = None
        self.said = asyncio.Event()
        self.stops_when_said = False  # and then sends nothing, not even silence

    def say(self, samples: np.ndarray) -> None:
        self._waiting = np.concatenate([self._waiting, samples])
        self.said.clear()

    async def recv(self) -> AudioFrame:
        now_s = time.monotonic()
        self._began_s = self._began_s or now_s
        await asyncio.sleep(self._began_s + self._sent_samples / RATE_HZ - now_s)
        samples = np.zeros(FRAME_SAMPLES, np.int16)
        piece, self._waiting = self._waiting[:FRAME_SAMPLES], self._waiting[FRAME_SAMPLES:]
        samples[: len(piece)] = piece
        if not len(self._waiting):
            self.said.set()
            if self.stops_when_said:
                await asyncio.Event().wait()
        frame = AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, self._sent_samples
        frame.time_base = Fraction(1, RATE_HZ)
        self._sent_samples += FRAME_SAMPLES
        return frame


@dataclass
class RtcCaller:
    """One call."""

    pc: RTCPeerConnection
    microphone: Microphone
    call_path: str = ""
    events: list[Event] = field(default_factory=list)
    read: int = 0  # events already looked at
    heard: list[np.ndarray] = field(default_factory=list)  # mono frames at 48 kHz, as they came
    news: asyncio.Event = field(default_factory=asyncio.Event)
    sounded: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    channel: Any = None

    def take(self, text: str) -> None:
        event = json.loads(text)
        if not event["type"].startswith("voiceserver."):
            EVENT_TYPES[event["type"]].model_validate(event)
        self.events.append(event)
        self.news.set()

    async def listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                stereo = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
                self.heard.append(stereo[:, 0])
                self.sounded.set()
        except MediaStreamError:
            pass

    def send(self, type: str, **fields: Any) -> None:
        self.channel.send(json.dumps({"type": type, **fields}))

    async def next(self) -> Event:
        """The next event not yet looked at."""
        while self.read >= len(self.events):
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), PATIENCE_S)
        self.read += 1
        return self.events[self.read - 1]

    async def until(self, type: str) -> Event:
        """Read on to the next event of this type; an unexpected error fails the test."""
        while True:
            event = await self.next()
            if event["type"] == type:
                return event
            assert event["type"] != "error", event

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def speak(self, speech_s: float = 0.8) -> None:
        self.microphone.say(tone(speech_s))

    def write(self, text: str) -> None:
        """A typed question, to be answered."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        self.send("conversation.item.create", item=item)
        self.send("response.create")

    def loud_s(self) -> float:
        """Seconds of sound heard so far that were not silence."""
        loud = sum(1 for frame in self.heard if np.abs(frame).max(initial=0) > 500)
        return loud * FRAME_SAMPLES / RATE_HZ

    async def until_heard(self, seconds: float) -> None:
        """Wait until so much sound has been heard in all."""
        while self.loud_s() < seconds:
            await self._next_frame()

    async def until_quiet(self, quiet_s: float = 0.3) -> None:
        """Wait until what comes has been silence for so long."""
        frames = int(quiet_s * RATE_HZ / FRAME_SAMPLES)
        while True:
            await self._next_frame()
            last = self.heard[-frames:]
            if len(last) == frames and all(np.abs(f).max(initial=0) <= 500 for f in last):
                return

    async def _next_frame(self) -> None:
        self.sounded.clear()
        await asyncio.wait_for(self.sounded.wait(), PATIENCE_S)


async def offer(caller: RtcCaller, *, channel: bool = True) -> str:
    if channel:
        caller.channel = caller.pc.createDataChannel("oai-events")
        caller.channel.on("message", caller.take)
        caller.channel.on("close", caller.over.set)
    caller.pc.addTrack(caller.microphone)
    await caller.pc.setLocalDescription(await caller.pc.createOffer())
    return str(caller.pc.localDescription.sdp)


def new_caller() -> RtcCaller:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    caller = RtcCaller(pc, Microphone())
    listening: set[asyncio.Task[None]] = set()
    pc.on("track", lambda track: listening.add(asyncio.create_task(caller.listen(track))))
    return caller


@asynccontextmanager
async def rtc_call(
    gateway: Gateway | str,
    query: str = "",
    headers: dict[str, str] | None = None,
    most_bytes: int | None = None,
) -> AsyncIterator[RtcCaller]:
    """Call, and read session.created; `most_bytes` is what the caller takes as one message."""
    caller = new_caller()
    try:
        sdp = await offer(caller)
        if most_bytes is not None:
            sdp = re.sub(r"max-message-size:\d+", f"max-message-size:{most_bytes}", sdp)
        headers = {"Content-Type": "application/sdp", **(headers or {})}
        address = gateway if isinstance(gateway, str) else gateway.http
        async with httpx.AsyncClient(base_url=address) as http:
            path = f"/v1/realtime/calls?model=nano{query}"
            answer = await http.post(path, content=sdp, headers=headers, timeout=PATIENCE_S)
        assert answer.status_code == 201, answer.text
        caller.call_path = answer.headers["location"]
        await caller.pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        assert (await caller.next())["type"] == "session.created"
        yield caller
    finally:
        await caller.pc.close()
