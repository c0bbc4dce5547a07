"""Plays one scene to a server: a user with an open microphone and a loudspeaker."""

from __future__ import annotations

import asyncio

import numpy as np
import soxr
from numpy.typing import NDArray

from voiceserver.bench.duplex.listener import Listener
from voiceserver.bench.duplex.recording import Happening, Recording
from voiceserver.bench.microphone import Microphone
from voiceserver.clock import LISTEN_RATE_HZ, WIRE_RATE_HZ
from voiceserver.scenes.channels import EchoPath, convolved
from voiceserver.scenes.live import TURN_KINDS, Scene
from voiceserver_client import (
    CallEnded,
    Conversation,
    RealtimeError,
    SessionOptions,
    connect,
)

Samples = NDArray[np.float32]

REPLY_TOKENS = 60  # about 15 s of speech: longer than any scene needs
STARTS_S = 15.0  # how long the assistant may take to answer what was typed
ANSWER_S = 4.0  # how long an answer to a turn is awaited
TAKEOVER_S = 1.25  # so much of an answer decides a scene
AFTER_INTERRUPTION_S = 1.6
AFTER_DISTURBANCE_S = 1.5
_LOOK_S = 0.05
_ECHO_SAMPLES = WIRE_RATE_HZ // 4  # the rest of a room's answer is not heard


async def play(url: str, scene: Scene) -> Recording:
    """The scene as it went; a call that breaks is told in `failure`."""
    recording = Recording(scene.kind, scene.number)
    sound, ambience = _at_wire_rate(scene.sound), _at_wire_rate(scene.ambience)
    try:
        async with connect(url, options=SessionOptions(max_output_tokens=REPLY_TOKENS)) as call:
            await _Visit(call, scene, recording).run(sound, ambience)
    except RealtimeError as error:
        recording.failure = str(error)
    return recording


class _Visit:
    """One call."""

    def __init__(self, call: Conversation, scene: Scene, recording: Recording) -> None:
        self._call, self._scene, self._recording = call, scene, recording
        self._microphone = Microphone(call, self._through)
        self._said: list[Samples] = []
        self._echo = None if scene.echo is None else _EchoAt(scene.echo)

    async def run(self, sound: Samples, ambience: Samples) -> None:
        """Both at WIRE_RATE_HZ."""
        async with self._microphone as microphone:
            self._listener = Listener(microphone.start_s)
            hearing = asyncio.create_task(self._listen())
            try:
                microphone.hear(ambience)
                await self._perform(sound, hearing)
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
                self._finish()

    async def _perform(self, sound: Samples, hearing: asyncio.Task[None]) -> None:
        scene, begin_s = self._scene, self._scene.begin_s
        if scene.prompt is not None:
            await self._call.send_text(scene.prompt)
            speaking_s = await self._until_it_speaks(hearing)
            if speaking_s is None:
                self._recording.failure = "the assistant did not begin to speak"
                return
            begin_s += max(0.0, speaking_s - self._now_s())
        start_s = self._microphone.hear(sound, begin_s)
        at_s = start_s - self._microphone.start_s
        self._recording.events = [
            Happening(event.kind, at_s + event.begin_s, at_s + event.end_s, event.detail)
            for event in scene.events
        ]
        while not self._decided():
            if hearing.done():
                raise CallEnded("the server ended the call")
            await asyncio.sleep(_LOOK_S)

    async def _until_it_speaks(self, hearing: asyncio.Task[None]) -> float | None:
        end_s = self._now_s() + STARTS_S
        while self._now_s() < end_s and not hearing.done():
            if (since_s := self._listener.speaking_since_s()) is not None:
                return since_s
            await asyncio.sleep(_LOOK_S / 5)
        return None

    def _decided(self) -> bool:
        """Is nothing to come that would change how the scene is judged?"""
        end_s, now_s = self._recording.events[0].end_s, self._now_s()
        if self._scene.kind in TURN_KINDS:
            return now_s > end_s + ANSWER_S or self._answered(end_s, now_s) >= TAKEOVER_S
        if self._scene.kind == "interruption":
            return now_s > end_s + AFTER_INTERRUPTION_S
        tail_s = 0.2 if self._scene.kind == "echo" else AFTER_DISTURBANCE_S
        return now_s > end_s + tail_s

    def _answered(self, end_s: float, now_s: float) -> float:
        """Seconds heard so far of an answer that began after the turn's end."""
        pieces = [piece for reply in self._listener.replies.values() for piece in reply.pieces]
        return sum(min(end, now_s) - begin for begin, end in pieces if end_s <= begin < now_s)

    async def _listen(self) -> None:
        async for event in self._call:
            for cut in self._listener.take(event):
                await self._call.truncate(cut.item_id, cut.played_ms)

    def _through(self, position: int, packet: Samples) -> Samples:
        """What the microphone sends: with the echo of what the loudspeaker plays."""
        if self._echo is not None:
            packet = packet + self._echo.heard(self._listener, position, len(packet))
        self._said.append(packet)
        return packet

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time() - self._microphone.start_s

    def _finish(self) -> None:
        end_s = self._now_s()
        end = int(end_s * WIRE_RATE_HZ)
        for reply in self._listener.replies.values():  # what waits will not be heard
            reply.pieces = [(begin, min(to, end_s)) for begin, to in reply.pieces if begin < end_s]
        self._recording.heard = self._listener.tape[:end].copy()
        self._recording.said = np.concatenate(self._said or [np.zeros(0, np.float32)])[:end]
        self._recording.replies = list(self._listener.replies.values())
        self._recording.notices = self._listener.notices


class _EchoAt:
    """An echo path at the wire's rate, asked for a packet at a time."""

    def __init__(self, path: EchoPath) -> None:
        impulse = soxr.resample(path.impulse, LISTEN_RATE_HZ, WIRE_RATE_HZ, quality="HQ")
        scale = LISTEN_RATE_HZ / WIRE_RATE_HZ  # more samples share the same answer
        self._impulse = np.asarray(impulse[:_ECHO_SAMPLES] * scale, np.float32)
        self._delay = round(path.delay_s * WIRE_RATE_HZ)

    def heard(self, listener: Listener, position: int, samples: int) -> Samples:
        """Echo of [samples] from a position of the microphone on."""
        taps = len(self._impulse)
        own = listener.heard_before(position + samples - self._delay, samples + taps - 1)
        if not own.any():
            return np.zeros(samples, np.float32)
        return convolved(own, self._impulse)[taps - 1 : taps - 1 + samples]


def _at_wire_rate(sound: Samples) -> Samples:
    wide = soxr.resample(sound, LISTEN_RATE_HZ, WIRE_RATE_HZ, quality="HQ")
    return np.asarray(wide, np.float32)
