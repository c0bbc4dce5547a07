"""Speech for tests: every word a tone, so that every sample of every word is known."""

from __future__ import annotations

import numpy as np

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.kokoro import Spoken

WORDS = {
    "questions": 4,
    "long_turns": 9,
    "interruptions": 2,
    "backchannels": 1,
    "asides": 3,
    "fillers": 1,
    "broadcasts": 8,
}
WORD_S, GAP_S = 0.4, 0.05


def spoken(words: int, hz: float = 200.0) -> tuple[str, Spoken]:
    """So many words with a mark and a short silence between each two."""
    t = np.arange(int(WORD_S * LISTEN_RATE_HZ)) / LISTEN_RATE_HZ
    word = (0.4 * np.cos(2 * np.pi * hz * t)).astype(np.float32)  # loud from its first sample on
    gap = np.zeros(int(GAP_S * LISTEN_RATE_HZ), np.float32)
    parts, marks, at = [word], [], len(word)
    for _ in range(words - 1):
        marks.append((at, at + len(gap)))
        parts += [gap, word]
        at += len(gap) + len(word)
    return " | ".join(["word"] * words), Spoken(np.concatenate(parts), tuple(marks))


class Tones:
    """A `Speech` whose voices are pitches."""

    def voice(self, random: np.random.Generator) -> float:
        return float(random.uniform(120, 300))

    def say(self, random: np.random.Generator, kind: str, voice: float) -> tuple[str, Spoken]:
        return spoken(WORDS[kind], voice)
