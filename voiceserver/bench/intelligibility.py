"""Is what the assistant says understood? Replies it was never trained on, written down by Whisper.

The voice runs here as the engine runs it: text in small pieces, one batched step a frame. Beside it
can stand the teacher, on the same replies, and the teacher's latents through our codec: what is
lost where.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceserver.bench.judge import WordErrors, total, transcribe, word_errors
from voiceserver.bench.report import Goal, Report
from voiceserver.config import models_folder
from voiceserver.engine.nano.speaking import speak
from voiceserver.engine.nano.voice import Voice

GOAL_PERCENT = 8
HELD_OUT_FILE = "heldout_replies.txt"

Speaker = Callable[[str], NDArray[np.float32]]  # text -> samples [n]


@dataclass(frozen=True)
class Spoken:
    """One reply by one speaker."""

    speaker: str
    text: str
    heard: str
    seconds: float
    cpu_s: float  # of making the sound

    @property
    def errors(self) -> WordErrors:
        return word_errors(self.text, self.heard)


def held_out_replies(count: int, folder: Path | None = None) -> list[str]:
    path = (folder or models_folder() / "nano") / HELD_OUT_FILE
    return path.read_text().splitlines()[:count]


def measure(
    speakers: dict[str, tuple[Speaker, int]], replies: list[str], told: Callable[[str], None]
) -> list[Spoken]:
    """speakers: what speaks and at which rate in Hz, by name."""
    spoken = []
    for number, text in enumerate(replies):
        for name, (speaker, rate_hz) in speakers.items():
            begin_s = time.process_time()
            samples = speaker(text)
            cpu_s = time.process_time() - begin_s
            heard = transcribe(samples, rate_hz)
            spoken.append(Spoken(name, text, heard, len(samples) / rate_hz, cpu_s))
            told(f"{number + 1}/{len(replies)} {name}: {spoken[-1].errors.percent:.0f} % {heard}")
    return spoken


def run(
    count: int = 50,
    folder: Path | None = None,
    with_teacher: bool = False,
    told: Callable[[str], None] = lambda _line: None,
) -> list[Spoken]:
    """Speak and transcribe held-out replies; the teacher needs the `train` extra and its asset."""
    folder = folder or models_folder() / "nano"
    voice = Voice.load(folder, slots=1)
    speakers: dict[str, tuple[Speaker, int]] = {
        "voice": (lambda text: speak(voice, text), voice.sample_rate_hz)
    }
    if with_teacher:
        from voiceserver.training.listening import teacher_speakers

        speakers |= teacher_speakers(folder)
    return measure(speakers, held_out_replies(count, folder), told)


def report(spoken: list[Spoken]) -> Report:
    names = list(dict.fromkeys(s.speaker for s in spoken))
    found = Report(
        title="intelligibility",
        what=f"{len(spoken) // len(names)} replies that were never trained on, written down by "
        "Whisper base; errors in % of words",
        headings=("speaker", "%", "reply", "heard"),
    )
    found.rows = [(s.speaker, s.errors.percent, s.text, s.heard) for s in spoken if s.errors.errors]
    for name in names:
        of_name = [s for s in spoken if s.speaker == name]
        seconds = sum(s.seconds for s in of_name)
        found.numbers[name] = {
            "wer_percent": total(s.errors for s in of_name).percent,
            "words": total(s.errors for s in of_name).words,
            "seconds": seconds,
            "cpu_percent_of_core": 100 * sum(s.cpu_s for s in of_name) / seconds,
        }
    voice_percent = found.numbers["voice"]["wer_percent"]
    found.goals = [Goal("word error rate of the voice", voice_percent, GOAL_PERCENT, "%")]
    return found
