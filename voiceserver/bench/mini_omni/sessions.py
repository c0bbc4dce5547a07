"""Whole conversations at once through the real family and loop: the work of a chunk, late frames.

Time jumps over what the engine would sleep, so that a minute costs no more than its work; while the
engine works, and while the codec's thread does, the clock is the machine's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from voiceserver.assets import resolve
from voiceserver.bench.mini_omni.card import model_card
from voiceserver.bench.mini_omni.subject import Subject
from voiceserver.bench.mini_omni.talkers import CHUNK_S, REPLY_TOKENS, Talker
from voiceserver.bench.report import Goal, Report, quantile
from voiceserver.config import EngineConfig
from voiceserver.engine.listening.microphones import Microphones
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import (
    AudioDelta,
    ChatMessage,
    CloseSession,
    FromEngine,
    OpenSession,
    Respond,
    ResponseEnded,
    SessionOpened,
)
from voiceserver.engine.mini_omni.model import MiniOmniFamily, listening_threads
from voiceserver.errors import VoiceserverError

WARM_UP_S = 2.0  # everybody's first turn begins at once somewhere in here; not counted
CHUNK_GOAL_MS = 20.0  # the work of a chunk of 64 sessions on an H100
GOAL_SESSIONS = 64
Progress = Callable[[str], None]


class JumpingClock:
    """The machine's clock, and what was skipped."""

    def __init__(self) -> None:
        self._skipped_s = 0.0

    def now_s(self) -> float:
        return time.perf_counter() + self._skipped_s

    def skip(self, seconds: float) -> None:
        self._skipped_s += max(0.0, seconds)


@dataclass
class Measured:
    """One number of sessions."""

    sessions: int
    seconds: float
    chunks_ms: list[float] = field(default_factory=list)
    first_audio_ms: list[float] = field(default_factory=list)
    late_frames: int = 0
    gaps_s: float = 0.0

    @property
    def late_per_minute(self) -> float:
        return self.late_frames * 60.0 / self.seconds

    def numbers(self) -> dict[str, float | None]:
        return {
            "chunk_p50_ms": quantile(self.chunks_ms, 0.5),
            "chunk_p99_ms": quantile(self.chunks_ms, 0.99),
            "first_audio_p50_ms": quantile(self.first_audio_ms, 0.5),
            "first_audio_p99_ms": quantile(self.first_audio_ms, 0.99),
            "late_frames": self.late_frames,
            "late_frames_per_minute": round(self.late_per_minute, 1),
            "gaps_ms_per_minute": round(self.gaps_s * 60_000.0 / self.seconds, 1),
        }


class Machine:
    """A family with its loop, driven chunk by chunk."""

    def __init__(self, family: MiniOmniFamily, bell: threading.Event) -> None:
        self.clock = JumpingClock()
        self._family, self._bell = family, bell
        self._loop = Loop(family, EngineConfig(slots=family.shape.slots), self.clock)

    def say(self, *messages: object) -> None:
        self._loop.put(messages)  # type: ignore[arg-type]  # whatever the loop understands

    def tick(self) -> list[FromEngine]:
        return self._loop.tick()

    def run_until(self, end_s: float, take: Callable[[FromEngine], None]) -> float:
        """Tick until this moment, then return how many seconds the ticks took."""
        worked_s = 0.0
        while True:
            began_s = self.clock.now_s()
            for message in self._loop.tick():
                take(message)
            now_s = self.clock.now_s()
            worked_s += now_s - began_s
            left_s, idle_s = end_s - now_s, self._loop.idle_s()
            if left_s <= 0:
                return worked_s
            if idle_s == 0.0:
                continue
            pause_s = left_s if idle_s is None else min(idle_s, left_s)
            if self._family.decoding:  # in a thread, in real time
                self._bell.wait(pause_s)
                self._bell.clear()
            else:
                self.clock.skip(pause_s)


def run(subject: Subject, sessions: Sequence[int], seconds: float, progress: Progress) -> Report:
    """Conversations of each of these numbers of users, one number after another."""
    bell = threading.Event()
    family = load(subject, max(sessions), bell.set)
    try:
        check(family, bell)
        results = []
        for count in sessions:
            results.append(converse(Machine(family, bell), count, seconds))
            progress(f"{count} sessions: {results[-1].numbers()}")
    finally:
        family.shut_down()
    return _report(subject, family, results)


def load(subject: Subject, slots: int, wake: Callable[[], None]) -> MiniOmniFamily:
    """The family as it is served, with the subject's weights."""
    from voiceserver.bench.mini_omni.random_checkpoint import checkpoint_of

    if subject.device.type == "cpu":
        torch.set_num_threads(1)
    files = resolve("mini-omni", quiet=True, only=("vad", "turn_end"))
    threads = listening_threads(subject.device)
    microphones = Microphones(files["vad"], files["turn_end"], slots, wake, threads)
    return MiniOmniFamily(checkpoint_of(subject), microphones, slots, wake)


def check(family: MiniOmniFamily, bell: threading.Event) -> None:
    """Refuse to time a family whose reply has not exactly the sound of its frames."""
    machine, samples, ended = Machine(family, bell), 0, list[ResponseEnded]()

    def take(message: FromEngine) -> None:
        nonlocal samples
        if isinstance(message, AudioDelta):
            samples += len(message.pcm16) // 2
        if isinstance(message, ResponseEnded):
            ended.append(message)

    question = (ChatMessage("user", "How are you?", "question"),)
    machine.say(OpenSession("check"))
    machine.say(Respond("check", 0, "reply", question, True, 2, 0.0, item_id="answer"))
    while not ended:
        machine.run_until(machine.clock.now_s() + CHUNK_S, take)
    machine.say(CloseSession("check"))
    machine.tick()
    wanted = ended[0].audio_frames * family.shape.frame_samples
    if samples != wanted or ended[0].message:
        raise VoiceserverError(f"wrong sound: {samples} of {wanted} samples {ended[0].message}")


def converse(machine: Machine, count: int, seconds: float) -> Measured:
    """So many users in conversations that are spread evenly over their turns."""
    measured = Measured(count, seconds)
    talkers = {f"s{i}": Talker(f"s{i}", i / count) for i in range(count)}
    machine.say(*(OpenSession(name) for name in talkers))
    opened = sum(isinstance(message, SessionOpened) for message in machine.tick())
    assert opened == count, f"{opened} of {count} sessions were opened"
    began_s = machine.clock.now_s()

    def take(message: FromEngine) -> None:
        talkers[message.session_id].take(message, machine.clock.now_s())  # type: ignore[union-attr]

    for chunk in range(round((WARM_UP_S + seconds) / CHUNK_S)):
        warm = chunk * CHUNK_S >= WARM_UP_S
        if not warm:
            for talker in talkers.values():
                talker.forget()
        for talker in talkers.values():
            machine.say(*talker.chunk(chunk, machine.clock.now_s()))
        worked_s = machine.run_until(began_s + (chunk + 1) * CHUNK_S, take)
        if warm:
            measured.chunks_ms.append(worked_s * 1000)
    machine.say(*(CloseSession(name) for name in talkers))
    machine.tick()
    measured.late_frames = sum(talker.late_frames for talker in talkers.values())
    measured.gaps_s = sum(talker.gaps_s for talker in talkers.values())
    measured.first_audio_ms = [ms for t in talkers.values() for ms in t.first_audio_ms]
    return measured


def _report(subject: Subject, family: MiniOmniFamily, results: Sequence[Measured]) -> Report:
    on_time = [m.sessions for m in results if not m.late_frames]
    rows, context = 2 * max(m.sessions for m in results), family.config.positions // 2
    report = Report(
        title="sessions",
        what=f"{subject.described()}: users speak three seconds of nine and hear the reply in six, "
        f"each at another point of it; the text of a reply ends after {REPLY_TOKENS} tokens. "
        f"Work is what the engine does in a chunk of {CHUNK_S * 1000:.0f} ms: listen, read, step, "
        "decode. A frame is late when it comes after all sound before it was heard.",
        headings=(
            "sessions",
            "chunk p50 ms",
            "chunk p99 ms",
            "first audio p50 ms",
            "first audio p99 ms",
            "late frames",
            "late a minute",
            "gaps ms a minute",
        ),
        card=model_card(family.config, subject.device, rows, context),
    )
    for measured in results:
        cells = [f"{v:.1f}" if isinstance(v, float) else v for v in measured.numbers().values()]
        report.rows.append((measured.sessions, *cells))
        if measured.sessions == GOAL_SESSIONS and subject.device.type == "cuda":
            p99_ms = measured.numbers()["chunk_p99_ms"]
            report.goals.append(Goal("p99 of a chunk of 64 sessions", p99_ms, CHUNK_GOAL_MS, "ms"))
    report.numbers = {
        "subject": subject.described(),
        "seconds": results[0].seconds,
        "sessions": {str(m.sessions): m.numbers() for m in results},
        "most_sessions_on_time": max(on_time, default=0),
    }
    return report
