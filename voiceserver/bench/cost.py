"""What one session costs the engine process in CPU time: while it speaks, and while it listens."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from voiceserver.bench.microphone import Microphone
from voiceserver.bench.questions import QUESTIONS
from voiceserver.bench.report import Goal, Report
from voiceserver.errors import VoiceserverError
from voiceserver_client import connect

SPEAKING_GOAL_PERCENT = 50  # of one core
LISTEN_S = 8.0
REPLIES = 6


async def measure(url: str, engine: int, replies: int = REPLIES) -> Report:
    """Typed questions, so that only thinker, talker and codec work; then an open microphone.

    `engine` is the engine's process id, as the server's /health tells it.
    """
    spoken_s = 0.0
    async with connect(url) as call:
        await call.ask("Hello.")  # warm
        before_s = cpu_s(engine)
        for question in QUESTIONS[:replies]:
            spoken_s += (await call.ask(question)).seconds
        speaking_s = cpu_s(engine) - before_s
        before_s = cpu_s(engine)
        async with Microphone(call):
            await asyncio.sleep(LISTEN_S)
        listening_s = cpu_s(engine) - before_s
    if spoken_s == 0:
        raise VoiceserverError("nothing was spoken, so nothing can be measured")
    return _report(replies, spoken_s, speaking_s, listening_s)


def _report(replies: int, spoken_s: float, speaking_s: float, listening_s: float) -> Report:
    speaking = 100 * speaking_s / spoken_s
    listening = 100 * listening_s / LISTEN_S
    found = Report(
        title="cost",
        what=f"CPU time of the engine process, one session; {replies} typed questions answered in "
        f"{spoken_s:.0f} s of speech, then {LISTEN_S:.0f} s of open microphone in silence",
        headings=("", "% of one core"),
        rows=[
            ("speaking (thinker, talker, codec), per second of speech", f"{speaking:.1f}"),
            ("listening to silence (voice activity)", f"{listening:.1f}"),
        ],
        goals=[Goal("speaking", speaking, SPEAKING_GOAL_PERCENT, "% of one core")],
    )
    found.numbers = {
        "speaking_percent_of_core": round(speaking, 1),
        "listening_percent_of_core": round(listening, 1),
        "spoken_s": round(spoken_s, 1),
    }
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds a process and all its threads have used."""
    fields = _proc(pid, "stat").rsplit(")", 1)[1].split()
    user_ticks, system_ticks = int(fields[11]), int(fields[12])  # utime and stime, see proc(5)
    return (user_ticks + system_ticks) / os.sysconf("SC_CLK_TCK")


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")
    except OSError as error:
        raise VoiceserverError("CPU time is read from Linux's /proc, which is not here") from error
