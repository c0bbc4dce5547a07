"""Who speaks in a scene, and what: behind a protocol, so that other voices can take part."""

from __future__ import annotations

from functools import cache
from typing import Protocol, TypeVar

import numpy as np

from voiceserver.scenes.kokoro import Spoken
from voiceserver.scenes.texts import Part, texts
from voiceserver.scenes.voices import Voice, speak, spoken_by, voices

Random = np.random.Generator
V = TypeVar("V")


class Speech(Protocol[V]):
    """Voices that can say something of each kind of texts."""

    def voice(self, random: Random) -> V:
        """Somebody."""
        ...

    def say(self, random: Random, kind: str, voice: V) -> tuple[str, Spoken]:
        """A text of this kind with its marks, and how this voice says it at LISTEN_RATE_HZ."""
        ...


class KokoroSpeech:
    """The voices and texts of a part, so far as `to_synthesize` of so many passes lists them."""

    def __init__(self, part: Part, passes: int = 1) -> None:
        self.part, self.passes = part, passes

    def voice(self, random: Random) -> Voice:
        everybody = voices(self.part)
        return everybody[int(random.integers(len(everybody)))]

    def say(self, random: Random, kind: str, voice: Voice) -> tuple[str, Spoken]:
        known = _known(kind, voice, self.part, self.passes)
        text = known[int(random.integers(len(known)))]
        return text, speak(text, voice)


@cache
def _known(kind: str, voice: Voice, part: Part, passes: int) -> tuple[str, ...]:
    return tuple(text for text in texts(kind, part) if voice in spoken_by(text, part, passes))
