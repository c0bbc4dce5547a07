"""How fast the assistant falls silent when spoken to; a cough or its own echo must not do it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.pcm16 import from_pcm16
from voiceserver.bench.microphone import Microphone
from voiceserver.bench.questions import INTERRUPTIONS, LONG_ANSWERS
from voiceserver.bench.report import Goal, Report, quantile
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.errors import VoiceserverError
from voiceserver.scenes.kokoro import VOICES, speak
from voiceserver_client import (
    AudioDelta,
    Conversation,
    ResponseCreated,
    ResponseDone,
    SessionOptions,
    connect,
)

GOAL_MS = 250
LISTEN_S = 2.0  # how long the assistant speaks before something happens
ECHO_GAIN = 10 ** (-20 / 20)
ECHO_DELAY_S = 0.06  # loudspeaker, room and microphone
DISTURBED_TOKENS = 60  # about 15 s of speech
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Interruption:
    """What followed the first interrupting sample."""

    words: str
    last_audio_ms: float  # the last audio of that reply reached the client
    ended_ms: float  # the reply was reported as ended


@dataclass(frozen=True)
class Disturbance:
    """A sound that must not end the reply."""

    kind: str
    status: str

    @property
    def harmless(self) -> bool:
        return self.status in {"completed", "incomplete"}


async def measure(url: str, times: int) -> list[Interruption]:
    """Interrupt that many long replies, each in a session of its own."""
    found: list[Interruption] = []
    for number in range(times):
        words = INTERRUPTIONS[number % len(INTERRUPTIONS)]
        sound = speak(words, VOICES[number % len(VOICES)])
        async with connect(url) as call, Microphone(call) as microphone:
            await call.send_text(LONG_ANSWERS[number % len(LONG_ANSWERS)])
            found.append(await _interrupt(call, microphone, words, sound))
    return found


async def disturb(url: str, kind: str) -> Disturbance:
    """Let a reply be heard with coughs, or with its own echo in the microphone."""
    options = SessionOptions(max_output_tokens=DISTURBED_TOKENS)
    async with connect(url, options=options) as call, Microphone(call) as microphone:
        await call.send_text(LONG_ANSWERS[0])
        heard_until_s, response_id, coughed = 0.0, "", False
        async with _patience("the disturbed reply did not end"):
            async for event in call:
                if isinstance(event, ResponseCreated):
                    response_id = response_id or event.response_id
                elif isinstance(event, AudioDelta):
                    now_s = asyncio.get_running_loop().time()
                    if kind == "echo":
                        heard_until_s = max(heard_until_s, now_s)
                        delay_s = heard_until_s - now_s + ECHO_DELAY_S
                        sound = from_pcm16(event.pcm16)
                        microphone.hear(sound * np.float32(ECHO_GAIN), delay_s)
                        heard_until_s += len(sound) / WIRE_RATE_HZ
                    elif not coughed:
                        coughed = True
                        microphone.hear(cough(), LISTEN_S)
                elif isinstance(event, ResponseDone) and event.response_id == response_id:
                    return Disturbance(kind, event.status)
    raise VoiceserverError("the call ended before the reply did")


def cough() -> NDArray[np.float32]:
    """Two bursts of rough noise, each loud at once and gone in a fifth of a second."""
    random = np.random.default_rng(7)
    seconds = np.arange(int(0.22 * WIRE_RATE_HZ)) / WIRE_RATE_HZ
    rough = 1 + 0.8 * np.sin(2 * np.pi * 90 * seconds)
    burst = random.standard_normal(len(seconds)) * np.exp(-seconds / 0.05) * rough
    burst = np.convolve(burst, np.ones(6) / 6, "same")  # a throat is duller than white noise
    pause = np.zeros(int(0.12 * WIRE_RATE_HZ))
    both = np.concatenate([burst, pause, 0.7 * burst])
    return np.asarray(0.5 * both / np.abs(both).max(), np.float32)


@asynccontextmanager
async def _patience(complaint: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise VoiceserverError(f"{complaint} within {_TIMEOUT_S:.0f} s") from error


async def _interrupt(
    call: Conversation, microphone: Microphone, words: str, sound: NDArray[np.float32]
) -> Interruption:
    began_s = last_audio_s = 0.0
    response_id = ""
    async with _patience(f"nothing happened after {words!r}"):
        async for event in call:
            if isinstance(event, AudioDelta):
                if not response_id:
                    response_id = event.response_id
                    began_s = microphone.hear(sound, LISTEN_S)
                if event.response_id == response_id:
                    last_audio_s = event.received_s
            elif isinstance(event, ResponseDone) and event.response_id == response_id:
                if event.status != "cancelled":
                    raise VoiceserverError(f"the reply ended as {event.status} before {words!r}")
                ended_s = event.received_s
                last_ms, ended_ms = 1000 * (last_audio_s - began_s), 1000 * (ended_s - began_s)
                return Interruption(words, max(0.0, last_ms), ended_ms)
    raise VoiceserverError("the call ended before the interruption was noticed")


def report(interruptions: list[Interruption], disturbances: list[Disturbance]) -> Report:
    """The figures."""
    last = [entry.last_audio_ms for entry in interruptions]
    ended = [entry.ended_ms for entry in interruptions]
    found = Report(
        title="interruption",
        what=f"{len(last)} long replies interrupted after {LISTEN_S:.0f} s; ms from the first "
        "interrupting sample, at the client",
        headings=("ms", "median", "90 %", "worst"),
    )
    for name, values in (("last audio", last), ("reply ended", ended)):
        found.rows.append((name, quantile(values, 0.5), quantile(values, 0.9), quantile(values, 1)))
    for entry in disturbances:
        outcome = "went on" if entry.harmless else "was ended"
        found.rows.append((f"{entry.kind}: reply {outcome}", None, None, None))
    wrong = [entry.kind for entry in disturbances if not entry.harmless]
    found.goals = [
        Goal("last audio after the first word, median", quantile(last, 0.5), GOAL_MS, "ms"),
        Goal("replies ended by a cough or an echo", float(len(wrong)), 0, ""),
    ]
    found.numbers = {"last_audio_ms": last, "ended_ms": ended, "false_stops": wrong}
    return found
