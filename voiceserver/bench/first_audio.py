"""How soon the assistant is heard after the user's last word, with N users talking at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from voiceserver.audio.pcm16 import to_pcm16
from voiceserver.bench.questions import QUESTIONS
from voiceserver.bench.report import Goal, Report, quantile
from voiceserver.scenes.kokoro import VOICES, speak
from voiceserver_client import Reply, SessionOptions, connect

FIRST_AUDIO_GOAL_MS = 700
AFTER_DECISION_GOAL_MS = 300
TURNS = 5  # each session: one conversation of so many questions
REPLY_TOKENS = 40
_STAGGER_S = 1.7  # users do not speak in chorus


@dataclass(frozen=True)
class Turn:
    session: int
    question: str
    reply: Reply

    @property
    def after_decision_ms(self) -> float | None:
        timing = self.reply.timing
        if timing is None or timing.first_audio_ms is None or timing.end_of_turn_ms is None:
            return None
        return timing.first_audio_ms - timing.end_of_turn_ms


async def measure(url: str, sessions: int, turns: int = TURNS) -> list[Turn]:
    """All turns of all sessions."""
    spoken = [_spoken(session, turns) for session in range(sessions)]  # made before the clock runs
    talks = (_converse(url, session, spoken[session]) for session in range(sessions))
    return [turn for talk in await asyncio.gather(*talks) for turn in talk]


def report(turns: list[Turn], sessions: int) -> Report:
    """The figures of these turns."""
    first = [t.reply.first_audio_ms for t in turns if t.reply.first_audio_ms is not None]
    timings = [t.reply.timing for t in turns if t.reply.timing is not None]
    decided = [t.end_of_turn_ms for t in timings if t.end_of_turn_ms is not None]
    after = [ms for t in turns if (ms := t.after_decision_ms) is not None]
    found = Report(
        title=f"first audio, {sessions} session{'s' * (sessions > 1)}",
        what=f"{len(turns)} spoken questions in real time; ms after the user's last word, "
        "at the client; end of turn is the server's decision",
        headings=("ms", "median", "90 %", "worst"),
    )
    for name, values in (
        ("first audio at the client", first),
        ("end of turn decided", decided),
        ("decision to first audio", after),
    ):
        found.rows.append((name, quantile(values, 0.5), quantile(values, 0.9), quantile(values, 1)))
    found.goals = [
        Goal("first audio, median", quantile(first, 0.5), FIRST_AUDIO_GOAL_MS, "ms"),
        Goal("after the decision, median", quantile(after, 0.5), AFTER_DECISION_GOAL_MS, "ms"),
    ]
    found.numbers = {
        "sessions": sessions,
        "turns": len(turns),
        "answered": len(first),
        "first_audio_ms": first,
        "end_of_turn_ms": decided,
        "after_decision_ms": after,
    }
    return found


def _spoken(session: int, turns: int) -> list[tuple[str, bytes]]:
    voice = VOICES[session % len(VOICES)]
    chosen = [QUESTIONS[(session * turns + turn) % len(QUESTIONS)] for turn in range(turns)]
    return [(question, to_pcm16(speak(question, voice))) for question in chosen]


async def _converse(url: str, session: int, spoken: list[tuple[str, bytes]]) -> list[Turn]:
    await asyncio.sleep(session * _STAGGER_S)
    options = SessionOptions(max_output_tokens=REPLY_TOKENS)
    async with connect(url, options=options) as call:
        return [Turn(session, text, await call.ask(pcm16)) for text, pcm16 in spoken]
