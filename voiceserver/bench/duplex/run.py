"""Plays the scenes of all kinds, several at once, and repeats with another what did not go."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from voiceserver.bench.duplex.measures import NotRun, Outcome, judge_stop, judge_turn
from voiceserver.bench.duplex.player import play
from voiceserver.bench.duplex.recording import Recording
from voiceserver.bench.duplex.report import Results
from voiceserver.bench.voices import speak_marked
from voiceserver.scenes.live import TURN_KINDS, SceneKind, scene
from voiceserver.scenes.voices import to_synthesize

Progress = Callable[[str], None]
SPARE = 2  # so many times the scenes of a kind are tried in all


def prepare(told: Progress) -> None:
    """Have all speech made before the clock runs; it is kept in the cache."""
    pairs = list(to_synthesize("held_out"))
    for number, (text, voice) in enumerate(pairs):
        began_s = time.monotonic()
        speak_marked(text, voice)
        if time.monotonic() - began_s > 0.5:
            told(f"making the users' speech: {number + 1}/{len(pairs)}")


def judge(recording: Recording) -> Outcome:
    """What a scene says; raises NotRun if it says nothing."""
    return judge_turn(recording) if recording.kind in TURN_KINDS else judge_stop(recording)


async def measure(
    url: str,
    server: str,
    kinds: Sequence[SceneKind],
    scenes: int,
    sessions: int,
    seed: int,
    told: Progress,
) -> Results:
    """`scenes` of each kind that went as planned, or as many as did of twice that number."""
    results = Results(server, {kind: [] for kind in kinds}, {kind: [] for kind in kinds})
    # kinds take turns, so that whatever changes with time touches all alike
    waiting = deque((kind, number) for number in range(scenes) for kind in kinds)
    began_s = time.monotonic()

    async def user() -> None:
        while waiting:
            kind, number = waiting.popleft()
            made = await asyncio.to_thread(scene, kind, number, seed)
            recording = await play(url, made)
            try:
                outcome = judge(recording)
            except NotRun as why:
                results.not_run[kind].append(f"{made.name}: {why}")
                told(f"{made.name} did not run: {why}")
                if number + scenes < SPARE * scenes:
                    waiting.append((kind, number + scenes))
                continue
            results.outcomes[kind].append(outcome)
            told(f"{server} {made.name}: {outcome}")

    await asyncio.gather(*(user() for _ in range(sessions)))
    results.seconds = time.monotonic() - began_s
    return results
