"""Is the user understood, and does the spoken reply say what the reply's text says?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voiceserver.audio.pcm16 import from_pcm16, to_pcm16
from voiceserver.bench.judge import WordErrors, total, transcribe, word_errors
from voiceserver.bench.questions import QUESTIONS
from voiceserver.bench.report import Goal, Report
from voiceserver.scenes.kokoro import VOICES, UserVoice, speak
from voiceserver_client import RATE_HZ, Reply, SessionOptions, connect

GOAL_PERCENT = 10
REPLY_TOKENS = 50  # some 40 words; longer replies only take longer to listen to


@dataclass(frozen=True)
class Exchange:
    """One question in one voice, and what became of it."""

    voice: UserVoice
    question: str
    reply: Reply
    reply_heard: str  # by the judge

    @property
    def question_errors(self) -> WordErrors:
        return word_errors(self.question, self.reply.transcript)

    @property
    def reply_errors(self) -> WordErrors:
        return word_errors(self.reply.text, self.reply_heard)


async def measure(url: str, questions: int, told: Callable[[str], None]) -> list[Exchange]:
    """Each question in a session of its own, voices taking turns."""
    exchanges: list[Exchange] = []
    for number, question in enumerate(QUESTIONS[:questions]):
        voice = VOICES[number % len(VOICES)]
        pcm16 = to_pcm16(speak(question, voice))
        async with connect(url, options=SessionOptions(max_output_tokens=REPLY_TOKENS)) as call:
            reply = await call.ask(pcm16)
        heard = transcribe(from_pcm16(reply.pcm16), RATE_HZ) if reply.pcm16 else ""
        exchanges.append(Exchange(voice, question, reply, heard))
        told(f"{number + 1}/{questions} {voice.name}: {reply.transcript} -> {reply.text}")
    return exchanges


def report(exchanges: list[Exchange]) -> Report:
    """Word errors of questions and replies."""
    questions = total(exchange.question_errors for exchange in exchanges)
    replies = total(exchange.reply_errors for exchange in exchanges)
    voices = {exchange.voice.name for exchange in exchanges}
    found = Report(
        title="conversation",
        what=f"{len(exchanges)} spoken questions in {len(voices)} voices that are not the "
        "assistant's; errors in % of words; replies are written down by Whisper base",
        headings=("voice", "question", "%", "heard", "reply s", "%", "reply"),
    )
    found.rows = [
        (
            e.voice.name,
            e.question,
            e.question_errors.percent,
            e.reply.transcript,
            f"{e.reply.seconds:.1f}",
            e.reply_errors.percent,
            e.reply.text,
        )
        for e in exchanges
    ]
    found.goals = [
        Goal("question word error rate", questions.percent, GOAL_PERCENT, "%"),
        Goal("reply word error rate", replies.percent, GOAL_PERCENT, "%"),
    ]
    found.numbers = {
        "questions": len(exchanges),
        "voices": len(voices),
        "question_wer_percent": round(questions.percent, 2),
        "reply_wer_percent": round(replies.percent, 2),
        "reply_words": replies.words,
        "reply_seconds": round(sum(exchange.reply.seconds for exchange in exchanges), 1),
    }
    return found
