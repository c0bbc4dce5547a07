"""Users of scenes: Kokoro voices, each also made smaller or larger by a change of pitch.

Two styles (nezumi, tebukuro) are heard in held-out voices only, and so are their pitches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.kokoro import RATE_HZ, Spoken, UserVoice, speak_marked
from voiceserver.scenes.texts import KINDS, Part, texts

Samples = NDArray[np.float32]

BASES: dict[Part, tuple[UserVoice, ...]] = {
    "training": (
        UserVoice("scene-a", (("jf_alpha", 1.0),), speed=0.85),
        UserVoice("scene-k", (("jm_kumo", 1.0),), speed=0.85),
        UserVoice("scene-g", (("jf_gongitsune", 1.0),), speed=0.92),
        UserVoice("scene-ka", (("jm_kumo", 0.6), ("jf_alpha", 0.4)), speed=0.95),
        UserVoice("scene-gk", (("jf_gongitsune", 0.5), ("jm_kumo", 0.5)), speed=1.0),
    ),
    "held_out": (
        UserVoice("scene-n", (("jf_nezumi", 1.0),), speed=0.9),
        UserVoice("scene-t", (("jf_tebukuro", 1.0),), speed=0.86),
        UserVoice("scene-nt", (("jf_nezumi", 0.5), ("jf_tebukuro", 0.5)), speed=0.97),
        UserVoice("scene-kt", (("jm_kumo", 0.4), ("jf_tebukuro", 0.6)), speed=0.92),
    ),
}
PITCHES: dict[Part, tuple[float, ...]] = {
    "training": (0.92, 1.0, 1.1),
    "held_out": (0.84, 0.96, 1.18),
}


@dataclass(frozen=True)
class Voice:
    """A speaker: a Kokoro voice played faster by `pitch`, so its formants and its pace rise too."""

    base: UserVoice
    pitch: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.base.name}*{self.pitch:g}"


def voices(part: Part) -> tuple[Voice, ...]:
    return tuple(Voice(base, pitch) for pitch in PITCHES[part] for base in BASES[part])


def speak(text: str, voice: Voice) -> Spoken:
    """The text at LISTEN_RATE_HZ; its marks are spans of samples between two words."""
    return heard_at(speak_marked(text, voice.base), RATE_HZ * voice.pitch)


def heard_at(spoken: Spoken, from_hz: float) -> Spoken:
    """Speech of a rate at LISTEN_RATE_HZ. A higher one makes the speaker smaller and faster."""
    samples = soxr.resample(spoken.samples, from_hz, LISTEN_RATE_HZ, quality="HQ")
    scale = LISTEN_RATE_HZ / from_hz
    marks = tuple((round(begin * scale), round(end * scale)) for begin, end in spoken.marks)
    return Spoken(np.asarray(samples, np.float32), marks)


def to_synthesize(part: Part, passes: int = 1) -> Iterator[tuple[str, UserVoice]]:
    """Every (text, voice) that `kokoro.speak_marked` should have in its cache.

    Backchannels and fillers in every voice; of the other texts the first pass has each once, the
    next pass each in another voice. A pitch costs nothing: it is made when spoken.
    """
    bases = BASES[part]
    for number in range(min(passes, len(bases))):
        for kind in KINDS:
            for index, text in enumerate(texts(kind, part)):
                if kind not in ("backchannels", "fillers"):
                    yield text, bases[(index + number) % len(bases)]
                elif number == 0:
                    yield from ((text, base) for base in bases)


def spoken_by(text: str, part: Part, passes: int = 1) -> tuple[Voice, ...]:
    """The voices in which `to_synthesize` of so many passes has this text."""
    bases = _bases(part, passes)[text]
    return tuple(voice for voice in voices(part) if voice.base in bases)


@cache
def _bases(part: Part, passes: int) -> dict[str, set[UserVoice]]:
    found: dict[str, set[UserVoice]] = {}
    for text, base in to_synthesize(part, passes):
        found.setdefault(text, set()).add(base)
    return found
