"""Plays the scenes that are due, several at once."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from voiceserver.bench.duplex.book import Book
from voiceserver.bench.duplex.plan import Plan
from voiceserver.bench.duplex.played import played
from voiceserver.bench.duplex.player import play
from voiceserver.errors import VoiceserverError
from voiceserver.scenes.kokoro import speak_marked
from voiceserver.scenes.live import Scene, scene
from voiceserver.scenes.voices import to_synthesize
from voiceserver_client import RealtimeError, connect

Progress = Callable[[str], None]
Over = Callable[[], bool]
ROUND = 8  # so many scenes of each session are made before they are played: about 2.5 MB each


def prepare(told: Progress) -> None:
    """Have all speech made before the clock runs; it is kept in the cache."""
    pairs = list(to_synthesize("held_out"))
    for number, (text, voice) in enumerate(pairs):
        began_s = time.monotonic()
        speak_marked(text, voice)
        if time.monotonic() - began_s > 0.5:
            told(f"making the users' speech: {number + 1}/{len(pairs)}")


async def measure(
    url: str,
    server: str,
    plan: Plan,
    book: Book,
    told: Progress,
    over: Over = lambda: False,
) -> None:
    """Play all that is due, or until it is `over`; a scene broken off leaves nothing in the book.

    A scene takes 0.1 to 0.3 s of a core to make, which would be heard in the latencies of others:
    so all scenes of a round are made while nobody is in a call.
    """
    while (due := plan.due(book.of(server))) and not over():
        made: deque[Scene] = deque()
        for kind, number in due[: ROUND * plan.sessions]:
            made.append(await asyncio.to_thread(scene, kind, number, plan.seed))
        users = (_user(url, server, made, book, told, over) for _ in range(plan.sessions))
        await asyncio.gather(*users)


async def _user(
    url: str, server: str, made: deque[Scene], book: Book, told: Progress, over: Over
) -> None:
    while made and not over():
        recording = await play(url, made.popleft())
        if recording.failure:
            await check_answers(url)  # a server that is gone says nothing of the scene
        one = played(server, recording, now(), load())
        book.add(one)
        told(f"{server} {one.name}: {one.outcome or f'did not run: {one.not_run}'}")


async def check_answers(url: str) -> None:
    """Refuse to go on where no call is taken any more."""
    try:
        async with connect(url):
            pass
    except RealtimeError as error:
        raise VoiceserverError(f"the server takes no more calls: {error}") from error


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load() -> float | None:
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
