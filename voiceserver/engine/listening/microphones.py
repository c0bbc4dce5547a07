"""Every slot's microphone: its recent audio, voice activity in the loop, end of turn in a thread.

Each slot keeps a ring of its recent audio addressed by absolute sample; voice activity follows
behind at a bounded number of windows a call, so one session's flood cannot keep the loop from the
others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from voiceserver.audio.ring import SampleRing
from voiceserver.audio.turn_end import TurnEndPredictor
from voiceserver.audio.vad import VoiceActivity, levels_dbfs
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.config import Limits
from voiceserver.engine.family import Heard, Samples, TurnScore, Window
from voiceserver.engine.listening.background import Background, Job

# Audio waiting for voice activity, and the longest utterance that may end there.
BACKLOG_SAMPLES = int(Limits.backlog_s * LISTEN_RATE_HZ)
RING_SAMPLES = BACKLOG_SAMPLES + int((Limits.utterance_s + 5.0) * LISTEN_RATE_HZ)
WINDOWS_PER_CALL = 8  # of each slot: a quarter second of audio, about 2 ms of work

# Of a slot's window that ends here and is a voice with this probability.
EchoLikeness = Callable[[int, int, Samples, float], float]


@dataclass
class Microphone:
    """One slot's recent audio, and how far voice activity has come in it."""

    ring: SampleRing = field(default_factory=lambda: SampleRing(RING_SAMPLES))
    analysed: int = 0  # sample position

    @property
    def backlog_samples(self) -> int:
        return self.ring.end - self.analysed


class Microphones:
    """Recent audio, voice activity and end of turn for all slots."""

    def __init__(
        self, vad: Path, turn_end: Path, slots: int, wake: Callable[[], None], threads: int = 1
    ) -> None:
        self._vad = VoiceActivity(vad, slots, threads)
        self._turn_end = TurnEndPredictor(turn_end)
        self._open: dict[int, Microphone] = {}
        self._turns: Background[Heard] = Background("turn-end", wake)

    def open(self, slot: int) -> None:
        self._open[slot] = Microphone()
        self._vad.reset(slot)

    def close(self, slot: int) -> None:
        del self._open[slot]
        self._turns.forget(slot)

    def hear(self, slot: int, pcm16: bytes) -> None:
        """Take more audio; what is too old to be analysed in time is skipped."""
        microphone = self._open[slot]
        microphone.ring.write(pcm16)
        if microphone.backlog_samples > BACKLOG_SAMPLES:
            microphone.analysed = microphone.ring.end - BACKLOG_SAMPLES
            self._vad.reset(slot)

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
        return any(m.backlog_samples >= VAD_WINDOW_SAMPLES for m in self._open.values())

    def listen(self, echo_likeness: EchoLikeness) -> list[Heard]:
        """Analyse a bounded number of windows; return them and what the background finished."""
        heard: list[Heard] = []
        for _ in range(WINDOWS_PER_CALL):
            slots = [s for s, m in self._open.items() if m.backlog_samples >= VAD_WINDOW_SAMPLES]
            if not slots:
                break
            heard += self._windows(slots, echo_likeness)
        return heard + self._turns.collect()

    def predict_turn_end(self, slot: int, request_id: int, begin: int, end: int) -> None:
        samples = self.read(slot, begin, end)

        def work() -> Heard:
            return TurnScore(slot, request_id, self._turn_end.probability(samples))

        # An end of turn that cannot be told is taken as one: silence alone then decides.
        self._turns.submit(Job(slot, work, TurnScore(slot, request_id, 1.0), firm=True))

    def end(self) -> None:
        self._turns.end()

    def _windows(self, slots: list[int], echo_likeness: EchoLikeness) -> list[Heard]:
        microphones = [self._open[slot] for slot in slots]
        ends = [m.analysed + VAD_WINDOW_SAMPLES for m in microphones]
        heard = [m.ring.read(m.analysed, end) for m, end in zip(microphones, ends, strict=True)]
        windows = np.stack(heard)  # [slots, 512]
        probabilities, levels = self._vad.step(slots, windows), levels_dbfs(windows)
        for microphone, end in zip(microphones, ends, strict=True):
            microphone.analysed = end
        found = zip(slots, ends, probabilities, levels, heard, strict=True)
        return [
            Window(slot, end, voice, level, echo_likeness(slot, end, window, voice))
            for slot, end, voice, level, window in found
        ]
