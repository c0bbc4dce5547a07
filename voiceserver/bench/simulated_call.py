"""A call without sockets or waiting: the real session, loop and listening on a simulated clock.

Only what the assistant says is given. Its client is one with a usual jitter buffer, which throws
away what it has not played when it is told that the user speaks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import soxr
from numpy.typing import NDArray

from voiceserver.audio.pcm16 import from_pcm16, to_pcm16
from voiceserver.clock import LISTEN_RATE_HZ, FakeClock, exact_div
from voiceserver.config import EngineConfig, Limits
from voiceserver.engine import messages as m
from voiceserver.engine.family import Ended, Made, Samples, Shape, Spoken, Task, Work, Written
from voiceserver.engine.loop import Loop
from voiceserver.engine.nano.listener import Listener
from voiceserver.engine.nano.model import Nano
from voiceserver.session import notices as n
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings, TurnSettings

PACKET_SAMPLES = exact_div(LISTEN_RATE_HZ, 50)
PACKET_S = PACKET_SAMPLES / LISTEN_RATE_HZ
BUFFER_S = 0.15  # of sound that the client waits for before it plays
ANSWER_WITHIN_S = 30.0  # real seconds: else a background thread has died
SESSION_ID = "call"

_Question = m.Recognise | m.PredictTurnEnd | m.JudgeFloor
# Our own voice so far, and how many of its samples the next packet covers -> what is heard.
Room = Callable[[Samples, int], Samples]


@dataclass(frozen=True)
class Speech:
    """What the assistant says."""

    text: str
    samples: NDArray[np.float32]  # [S] at rate_hz
    rate_hz: int
    frame_samples: int


class GivenReply(Nano):
    """Hears as nano does; what it answers is given. One slot."""

    def __init__(self, listener: Listener, speech: Speech) -> None:
        self._listener = listener
        self._speech = speech
        self._shape = Shape("given", 1, speech.rate_hz, speech.frame_samples)
        self._said: int | None = None  # samples of the reply under way

    def close(self, slot: int) -> None:
        self.stop(slot)
        self._listener.close(slot)

    def begin(self, slot: int, task: Task) -> None:
        self._said = 0

    def stop(self, slot: int) -> None:
        self._said = None

    def think(self) -> list[Made]:
        return []

    def talk(self, slots: Sequence[int]) -> list[Made]:
        assert self._said is not None, "nothing is being said"
        begin, end = self._said, self._said + self._speech.frame_samples
        made: list[Made] = [] if begin else [Written(0, self._speech.text)]
        made.append(Spoken(0, self._speech.samples[begin:end], ()))
        self._said = end
        if end >= len(self._speech.samples):
            made.append(Ended(0, m.EndReason.COMPLETED))
            self._said = None
        return made

    def work(self) -> Work:
        talking = () if self._said is None else (0,)
        return Work(listening=self._listener.pending(), talking=talking)


class Player:
    """The client's loudspeaker, at the listening rate."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._clear()

    def _clear(self) -> None:
        self._stream = soxr.ResampleStream(self._rate_hz, LISTEN_RATE_HZ, 1)
        self._waiting = np.zeros(0, np.float32)
        self._plays_at_s: float | None = None  # once there is something to play

    def take(self, pcm16: bytes, now_s: float) -> None:
        samples = from_pcm16(pcm16)
        self._waiting = np.concatenate([self._waiting, self._stream.resample_chunk(samples)])
        if self._plays_at_s is None:
            self._plays_at_s = now_s + BUFFER_S

    def flush(self) -> None:
        """The user speaks."""
        self._clear()

    def play(self, now_s: float) -> Samples:
        """The next packet: [PACKET_SAMPLES]"""
        packet = np.zeros(PACKET_SAMPLES, np.float32)
        if self._plays_at_s is None or now_s < self._plays_at_s:
            return packet
        played, self._waiting = np.split(self._waiting, [min(PACKET_SAMPLES, len(self._waiting))])
        packet[: len(played)] = played
        if len(self._waiting) == 0:
            self._plays_at_s = None
        return packet


@dataclass
class Heard:
    """What came of a call; times in seconds from its begin."""

    own: Samples  # what the loudspeaker played: [S] at LISTEN_RATE_HZ
    turns_s: list[float] = field(default_factory=list)  # when the server noticed the user
    texts: list[str] = field(default_factory=list)  # of the turns


def call(
    listener: Listener,
    speech: Speech,
    room: Room,
    seconds: float,
    turns: TurnSettings | None = None,
) -> Heard:
    """The assistant speaks in a room; each packet of it is what `room` makes of our voice."""
    return _Call(listener, speech, turns or TurnSettings()).run(room, seconds)


class _Call:
    def __init__(self, listener: Listener, speech: Speech, turns: TurnSettings) -> None:
        self._clock = FakeClock(1000.0)
        self._loop = Loop(GivenReply(listener, speech), EngineConfig(slots=1), self._clock)
        numbers = count()
        settings = SessionSettings(turns=turns, instructions="")
        self._session = Session(
            SESSION_ID, settings, Limits(), lambda prefix: f"{prefix}{next(numbers)}"
        )
        self._player = Player(speech.rate_hz)
        self._heard = Heard(np.zeros(0, np.float32))
        self._due_s: list[float] = []
        self._asked = 0  # questions of the listener's threads that are open
        self._begin_s = self._clock.now_s()

    def run(self, room: Room, seconds: float) -> Heard:
        self._loop.put([m.OpenSession(SESSION_ID)])
        ready = self._loop.ready()
        self._session.engine_ready(
            ready.voice_rate_hz,
            hears_audio=False,
            speaks_verbatim=True,
            reads_ahead=ready.reads_ahead,
            dialogue_chars=ready.dialogue_chars,
        )
        self._session.create_response(self._session.settings.reply_options(), self._clock.now_s())
        own: list[Samples] = []
        try:
            for _ in range(int(seconds * LISTEN_RATE_HZ) // PACKET_SAMPLES):
                own.append(self._player.play(self._clock.now_s()))
                self._clock.advance(PACKET_S)
                self._packet(room(np.concatenate(own), PACKET_SAMPLES))
        finally:
            self._loop.put([m.CloseSession(SESSION_ID)])
            self._loop.tick()
        self._heard.own = np.concatenate(own)
        return self._heard

    def _packet(self, heard: Samples) -> None:
        now_s = self._clock.now_s()
        self._session.audio(to_pcm16(heard), now_s)
        if any(due_s <= now_s for due_s in self._due_s):
            self._due_s = [due_s for due_s in self._due_s if due_s > now_s]
            self._session.reminded(now_s)
        self._settle()

    def _settle(self) -> None:
        """All that is to be done at this moment, the listener's threads included."""
        began_s = time.monotonic()
        while True:
            self._carry_out()
            for message in self._loop.tick():
                if isinstance(message, m.Recognised | m.TurnEnd | m.FloorJudged):
                    self._asked -= 1
                if not isinstance(message, m.SessionOpened):
                    self._session.engine_said(message, self._clock.now_s())
            self._carry_out()
            if self._asked > 0:
                assert time.monotonic() - began_s < ANSWER_WITHIN_S, "the listener does not answer"
                time.sleep(0.002)
            elif self._loop.idle_s() != 0.0:
                return

    def _carry_out(self) -> None:
        for effect in self._session.drain():
            match effect:
                case n.TellEngine(message):
                    self._asked += isinstance(message, _Question)
                    self._loop.put([message])
                case n.Remind(in_s):
                    self._due_s.append(self._clock.now_s() + in_s)
                case n.ReplyAudio(_, pcm16):
                    self._player.take(pcm16, self._clock.now_s())
                case n.SpeechStarted():
                    self._heard.turns_s.append(self._clock.now_s() - self._begin_s)
                    self._player.flush()
                case n.Transcribed(text=text):
                    self._heard.texts.append(text)
                case _:
                    pass
