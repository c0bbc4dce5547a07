"""Speakers and texts to fit rules on: neither what weights were trained on nor what benches hear.

Weights know their training texts by heart, so what they say of those is far surer than of any
other; a rule fitted there would believe them too much. Voices are other mixtures of the training
styles at other pitches.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np

from voiceserver.scenes.kokoro import Spoken, UserVoice
from voiceserver.scenes.texts import read_lines, texts
from voiceserver.scenes.voices import Voice, speak

Random = np.random.Generator

BASES: Final = (
    UserVoice("dev-ag", (("jf_alpha", 0.55), ("jf_gongitsune", 0.45)), speed=0.88),
    UserVoice("dev-kg", (("jm_kumo", 0.75), ("jf_gongitsune", 0.25)), speed=0.98),
    UserVoice("dev-akg", (("jf_alpha", 0.4), ("jm_kumo", 0.3), ("jf_gongitsune", 0.3)), speed=0.93),
)
PITCHES: Final = (0.88, 1.05, 1.14)
OF_THEIR_OWN: Final = ("questions", "long_turns")


class DevelopmentSpeech:
    """A `scenes.speech.Speech` of turns with pauses and ends."""

    def voice(self, random: Random) -> Voice:
        base = BASES[int(random.integers(len(BASES)))]
        return Voice(base, PITCHES[int(random.integers(len(PITCHES)))])

    def say(self, random: Random, kind: str, voice: Voice) -> tuple[str, Spoken]:
        choices = development_texts(kind)
        if kind in OF_THEIR_OWN:  # each text is spoken in one base, which is enough to hear
            choices = choices[BASES.index(voice.base) :: len(BASES)]
        text = choices[int(random.integers(len(choices)))]
        return text, speak(text, voice)


@cache
def development_texts(kind: str) -> tuple[str, ...]:
    """Texts of a kind; fillers are those of everybody."""
    if kind not in OF_THEIR_OWN:
        return texts(kind, "training")
    return read_lines(files(__package__).joinpath(f"development_{kind}.txt"))
