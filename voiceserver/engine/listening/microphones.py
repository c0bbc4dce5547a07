"""Every slot's microphone: its recent audio, voice activity in the loop, end of turn in a thread.

Each slot keeps a ring of its recent audio addressed by absolute sample; voice activity follows
behind at a bounded number of windows a call, so one session's flood cannot keep the loop from the
others. Each also knows what its user's loudspeaker plays, and so what of a window is our own voice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from voiceserver.audio.echo import EchoTracker
from voiceserver.audio.ring import SampleRing
from voiceserver.audio.turn_end import TurnEndPredictor
from voiceserver.audio.vad import VoiceActivity, levels_dbfs
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.config import Limits
from voiceserver.engine.family import FloorScore, Heard, Samples, TurnScore, Window
from voiceserver.engine.listening.background import Background, Job
from voiceserver.engine.listening.forecaster import Forecaster
from voiceserver.engine.listening.reduced import ReducedAudio
from voiceserver.engine.messages import NoiseReduction

# Audio waiting for voice activity, and the longest utterance that may end there.
BACKLOG_SAMPLES = int(Limits.backlog_s * LISTEN_RATE_HZ)
RING_SAMPLES = BACKLOG_SAMPLES + int((Limits.utterance_s + 5.0) * LISTEN_RATE_HZ)
WINDOWS_PER_CALL = 8  # of each slot: a quarter second of audio, about 2 ms of work
UNKNOWN = 0.5  # the end of a turn, where nobody judges it
FAINT_VOICE = 0.05  # less is no voice to any session: whether it might be ours is not asked


@dataclass
class Microphone:
    """One slot's recent audio, how far voice activity has come in it, and its echo path."""

    echo: EchoTracker
    ring: SampleRing = field(default_factory=lambda: SampleRing(RING_SAMPLES))
    analysed: int = 0  # sample position
    noise: NoiseReduction | None = None
    reduced: ReducedAudio | None = None  # None: noise is not reduced

    @property
    def backlog_samples(self) -> int:
        return self.ring.end - self.analysed

    def window_waits(self) -> bool:
        """Whether the next window can be listened to."""
        end = self.analysed + VAD_WINDOW_SAMPLES
        return self.ring.end >= end if self.reduced is None else self.reduced.has(end)

    def next_window(self) -> tuple[Samples, Samples]:
        """What was heard, and what voice activity is to listen to: [512], [512]"""
        begin, self.analysed = self.analysed, self.analysed + VAD_WINDOW_SAMPLES
        heard = self.ring.read(begin, self.analysed)
        reduced = heard if self.reduced is None else self.reduced.read(begin, self.analysed)
        return heard, reduced

    def reduce_noise(self) -> None:
        """Begin with it, from the next window on, if it is wanted."""
        wanted = self.noise
        self.reduced = None if wanted is None else ReducedAudio(self.ring, self.analysed, wanted)


class Microphones:
    """Recent audio, voice activity and end of turn for all slots."""

    def __init__(
        self, vad: Path, turn_end: Path, slots: int, wake: Callable[[], None], threads: int = 1
    ) -> None:
        self.forecaster: Forecaster | None = None  # None: nothing is forecast
        self._vad = VoiceActivity(vad, slots, threads)
        self._turn_end = TurnEndPredictor(turn_end)
        self._open: dict[int, Microphone] = {}
        self._turns: Background[Heard] = Background("turn-end", wake)
        self._unjudged: list[Heard] = []

    def open(self, slot: int, voice_rate_hz: int) -> None:
        """Begin with a new session, to whom we speak at this rate."""
        self._open[slot] = Microphone(EchoTracker(voice_rate_hz))
        self._reset(slot)

    def _reset(self, slot: int) -> None:
        self._vad.reset(slot)
        if self.forecaster is not None:
            self.forecaster.reset(slot)

    def close(self, slot: int) -> None:
        del self._open[slot]
        self._turns.forget(slot)
        self._unjudged = [heard for heard in self._unjudged if heard.slot != slot]

    def hear(self, slot: int, pcm16: bytes) -> None:
        """Take more audio; what is too old to be analysed in time is skipped."""
        microphone = self._open[slot]
        microphone.ring.write(pcm16)
        if microphone.backlog_samples > BACKLOG_SAMPLES:
            microphone.analysed = microphone.ring.end - BACKLOG_SAMPLES
            microphone.reduce_noise()
            self._reset(slot)

    def reduce_noise(self, slot: int, noise: NoiseReduction | None) -> None:
        """What the session wants from now on."""
        microphone = self._open[slot]
        microphone.noise = noise
        microphone.reduce_noise()

    def played(self, slot: int, samples: Samples, begins_in_s: float) -> None:
        """Learn when our own sound will leave the user's loudspeaker."""
        microphone = self._open[slot]
        microphone.echo.played(samples, microphone.ring.end, begins_in_s)

    def held_back(self, slot: int, silent_s: float) -> None:
        """The user's loudspeaker was kept silent for so long, and goes on now where it stopped."""
        microphone = self._open[slot]
        microphone.echo.held_back(microphone.ring.end, round(silent_s * LISTEN_RATE_HZ))

    def hushed(self, slot: int) -> None:
        """The user's loudspeaker has fallen silent, whatever it was to play yet."""
        microphone = self._open[slot]
        microphone.echo.hushed(microphone.ring.end)

    def position(self, slot: int) -> int:
        """Sample position after the newest audio of a slot."""
        return self._open[slot].ring.end

    def kept_from(self, slot: int) -> int:
        """Sample position of the oldest audio that is still there."""
        return self._open[slot].ring.begin

    def read(self, slot: int, begin: int, end: int) -> Samples:
        """Audio of a slot; what is no longer, or not yet, there is left out."""
        return self._open[slot].ring.read(begin, end)

    def pending(self) -> bool:
        """Whether a whole window waits anywhere."""
        return any(microphone.window_waits() for microphone in self._open.values())

    def listen(self) -> list[Heard]:
        """Analyse a bounded number of windows; return them and what the background finished."""
        heard: list[Heard] = []
        for _ in range(WINDOWS_PER_CALL):
            slots = [slot for slot, m in self._open.items() if m.window_waits()]
            if not slots:
                break
            heard += self._windows(slots)
        unjudged, self._unjudged = self._unjudged, []
        return heard + unjudged + self._turns.collect()

    def predict_turn_end(self, slot: int, request_id: int, begin: int, end: int) -> None:
        """By smart-turn; where windows are forecast they say enough."""
        if self.forecaster is not None:
            self._unjudged.append(TurnScore(slot, request_id, UNKNOWN))
            return
        samples = self.read(slot, begin, end)

        def work() -> Heard:
            return TurnScore(slot, request_id, self._turn_end.probability(samples))

        # An end of turn that cannot be told is taken as one: silence alone then decides.
        self._turns.submit(Job(slot, work, TurnScore(slot, request_id, 1.0), firm=True))

    def judge_floor(self, slot: int, request_id: int, begin: int, end: int) -> None:
        """Nobody here can tell what a sound over ours is."""
        self._unjudged.append(FloorScore(slot, request_id, None))

    def end(self) -> None:
        self._turns.end()

    def _windows(self, slots: list[int]) -> list[Window]:
        """The next window of each of these slots."""
        microphones = [self._open[slot] for slot in slots]
        heard, reduced = zip(*(microphone.next_window() for microphone in microphones), strict=True)
        samples = np.stack(reduced)  # [slots, 512]
        voices, levels = self._vad.step(slots, samples), levels_dbfs(np.stack(heard))
        windows: list[Window] = []
        for i, microphone in enumerate(microphones):
            likeness = _echo_likeness(microphone, heard[i], voices[i])
            windows.append(Window(slots[i], microphone.analysed, voices[i], levels[i], likeness))
        if self.forecaster is None:
            return windows
        own = [microphone.echo.spoken(microphone.analysed) for microphone in microphones]
        return self.forecaster.step(windows, samples, np.stack(own))


def _echo_likeness(microphone: Microphone, window: Samples, voice: float) -> float:
    """How much of a window is our own voice, where that may matter."""
    if voice >= FAINT_VOICE:
        return microphone.echo.likeness(microphone.analysed, window)
    microphone.echo.skip(microphone.analysed, window)
    return 0.0
