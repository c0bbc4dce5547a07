"""`bench loop`: does the work of a chunk fit into half a chunk?

The engine's own work is done for real and timed; the clock between is simulated, so that nothing
waits. What is timed is said in each report; threads beside the loop (the recogniser, the end of
turn) are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from voiceserver.audio.pcm16 import to_pcm16
from voiceserver.bench.report import Goal, Report, quantile
from voiceserver.clock import LISTEN_RATE_HZ, FakeClock
from voiceserver.config import EngineConfig
from voiceserver.engine.family import Samples
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import FromEngine, OpenSession, Respond, ResponseEnded, UserAudio
from voiceserver.engine.sync_llm.checkpoint import Checkpoint
from voiceserver.engine.sync_llm.conversations import Conversations

PIECE_MS = 20  # of a user's audio, as clients send it
REPLY = (
    "The loop hears what is said while it speaks, and this is what it says meanwhile, so that "
    "its work is done all along and can be counted. "
)


class _Kept:
    """Noise as loud as speech, from every user, for ever."""

    def read(self, slot: int, begin: int, end: int) -> Samples:
        return _noise(end - begin, slot)


def _noise(samples: int, seed: int) -> Samples:
    drawn: Samples = np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)
    return drawn


def sync_llm(checkpoint: Checkpoint, sessions: int, chunks: int, what: str) -> Report:
    """Tokenising, re-reading, estimating, writing and vocoding of every chunk of all sessions."""
    clock = FakeClock()
    rooms = Conversations(checkpoint, _Kept(), sessions, clock, seed=0)
    for slot in range(sessions):
        rooms.open(slot)
    work_ms: list[float] = []
    for number in range(chunks):
        clock.advance(rooms.chunks.until_s(number + 1))
        for slot in range(sessions):
            rooms.received(slot, rooms.chunks.samples)
        work_ms.append(_timed(lambda: _settle(rooms)))
    chunk_ms = checkpoint.settings.chunk_ms
    what_timed = (
        "all work of the model in a chunk: users' units, reading what changed, the estimate, our "
        "next chunk, its sound. Noise in place of users; no transcripts"
    )
    return _report("sync-llm", what_timed, work_ms[5:], chunk_ms, sessions, what)


def _settle(rooms: Conversations) -> None:
    """Everything that is to be done now."""
    while (work := rooms.work()).thinking or work.talking:
        if work.talking:
            rooms.talk(work.talking)
        else:
            rooms.think()


def nano(
    load: Callable[[EngineConfig], Loop], clock: FakeClock, sessions: int, seconds: float
) -> Report:
    """Every tick of the engine's loop while users make noise and replies are spoken."""
    loop = load(EngineConfig(slots=sessions))
    names = [f"s{slot}" for slot in range(sessions)]
    loop.put([OpenSession(name) for name in names])
    loop.tick()
    chunk_ms, epoch = 160, 0
    samples = LISTEN_RATE_HZ * PIECE_MS // 1000
    piece = to_pcm16(_noise(samples, 0))
    speaking: set[str] = set()
    work_ms: list[float] = []
    for _ in range(round(seconds * 1000 / chunk_ms)):
        spent_ms = 0.0
        for _ in range(chunk_ms // PIECE_MS):
            clock.advance(PIECE_MS / 1000)
            loop.put([UserAudio(name, piece) for name in names])
            for name in names:
                if name not in speaking:
                    epoch += 1
                    speaking.add(name)
                    loop.put([_say(name, epoch)])
            begun_s = time.perf_counter()
            sent = _ticks(loop)
            spent_ms += (time.perf_counter() - begun_s) * 1000
            ended = [message for message in sent if isinstance(message, ResponseEnded)]
            speaking -= {message.session_id for message in ended}
        work_ms.append(spent_ms)
    what_timed = (
        "all ticks of the engine in 160 ms: voice activity, the duplex policy if there is one, and "
        "speaking a given text. Noise in place of users; no thinking and no transcripts"
    )
    return _report("nano", what_timed, work_ms[10:], chunk_ms, sessions, "nano's own")


def _ticks(loop: Loop) -> list[FromEngine]:
    """Ticks until the loop would sleep."""
    sent = loop.tick()
    while loop.idle_s() == 0.0:
        sent += loop.tick()
    return sent


def _say(name: str, epoch: int) -> Respond:
    return Respond(name, epoch, f"r{epoch}", (), True, 500, 0.0, verbatim=REPLY)


def _timed(work: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    work()
    return (time.perf_counter() - begun_s) * 1000


def _report(
    model: str, what: str, work_ms: list[float], chunk_ms: int, sessions: int, weights: str
) -> Report:
    p50, p99 = quantile(work_ms, 0.5), quantile(work_ms, 0.99)
    return Report(
        title="loop",
        what=what,
        headings=("model", "sessions", "chunk ms", "chunks", "p50 ms", "p99 ms", "most ms"),
        rows=[(model, sessions, chunk_ms, len(work_ms), p50, p99, round(max(work_ms), 1))],
        goals=[Goal("work of a chunk, p99", p99, chunk_ms / 2, "ms")],
        numbers={"model": model, "sessions": sessions, "chunk_ms": chunk_ms, "p50_ms": p50}
        | {"p99_ms": p99, "chunks": len(work_ms)},
        card={"weights": weights},
    )
