"""A crowd of Kokoro speakers who each exist once: the training styles mixed by chance.

A judge that has heard few voices knows those and no others. Timbre and melody are mixed apart and
somewhat beyond the styles themselves, pace and size are drawn, and everybody says texts of their
own, so that what is learnt is what they have in common.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile as sf

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.kokoro import RATE_HZ, Spoken, Style, synthesize
from voiceserver.scenes.voices import BASES, heard_at
from voiceserver.training.duplex.speech import Stored, one_of, read_stored
from voiceserver.training.duplex.texts import drawn_text
from voiceserver.training.replies import Reply

Random = np.random.Generator

STYLES: Final = tuple(sorted({name for base in BASES["training"] for name, _ in base.mix}))
TIMBRE: Final = 128  # numbers of a style; the rest is melody and pace
BEYOND: Final = 0.3  # a style may count less than not at all by this much
SPEEDS: Final = (0.72, 1.15)
SIZES: Final = (0.84, 1.2)
# What each of them says; backchannels and fillers are short, long turns and broadcasts are not.
READINGS: Final = {
    "questions": 8,
    "long_turns": 2,
    "interruptions": 6,
    "backchannels": 4,
    "asides": 1,
    "fillers": 1,
    "broadcasts": 1,
}


@dataclass(frozen=True)
class Speaker:
    """Somebody of the crowd."""

    timbre: tuple[float, ...]  # weight of each of STYLES
    melody: tuple[float, ...]
    speed: float

    @classmethod
    def drawn(cls, random: Random) -> Speaker:
        return cls(_weights(random), _weights(random), float(random.uniform(*SPEEDS)))

    def read(self, text: str) -> Spoken:
        """The text, which may have marks, at LISTEN_RATE_HZ."""
        return heard_at(synthesize(text, self._style, self.speed), RATE_HZ)

    def _style(self, style: Callable[[str], Style]) -> Style:
        styles = np.stack([style(name) for name in STYLES])  # [styles, 1, 256]
        halves = (styles[..., :TIMBRE], self.timbre), (styles[..., TIMBRE:], self.melody)
        return np.concatenate(
            [np.tensordot(weights, half, axes=(0, 0)) for half, weights in halves], axis=-1
        ).astype(np.float32)


def _weights(random: Random) -> tuple[float, ...]:
    """That add up to 1."""
    inside = random.dirichlet([0.7] * len(STYLES))
    return tuple(float(w) for w in inside * (1 + len(STYLES) * BEYOND) - BEYOND)


class Crowd:
    """A `scenes.speech.Speech` of speakers on disk, each heard in several sizes."""

    def __init__(self, speakers: Sequence[Mapping[str, Sequence[Stored]]]) -> None:
        self._speakers = speakers

    def __len__(self) -> int:
        return len(self._speakers)

    def voice(self, random: Random) -> tuple[int, float]:
        """Who, and of which size."""
        return int(random.integers(len(self._speakers))), float(random.uniform(*SIZES))

    def say(self, random: Random, kind: str, voice: tuple[int, float]) -> tuple[str, Spoken]:
        speaker, size = voice
        return one_of(random, self._speakers[speaker][kind], size)


def crowd_readings(speakers: int) -> int:
    return speakers * sum(READINGS.values())


def fill_crowd(
    folder: Path, replies: Sequence[Reply], numbers: Sequence[int], seed: int
) -> Iterator[int]:
    """Let these speakers read what they have not read; yields how many readings are done."""
    done = 0
    for number in numbers:
        home = folder / f"{number:04d}"
        home.mkdir(parents=True, exist_ok=True)
        speaker = Speaker.drawn(np.random.default_rng([seed, number]))
        kinds = [kind for kind, count in READINGS.items() for _ in range(count)]
        for reading, kind in enumerate(kinds):
            path = home / f"{kind}-{reading:02d}.wav"
            if not path.with_suffix(".json").exists():
                random = np.random.default_rng([seed, number, reading])
                _read(path, speaker, drawn_text(random, kind, replies))
            yield (done := done + 1)


def _read(path: Path, speaker: Speaker, text: str) -> None:
    spoken = speaker.read(text)
    sf.write(path, spoken.samples, LISTEN_RATE_HZ, subtype="PCM_16")
    about = json.dumps({"text": text, "marks": spoken.marks})
    path.with_suffix(".json").write_text(about, encoding="utf-8")  # last: now it is whole


def read_crowd(folder: Path) -> Crowd:
    """Everybody of the folder who has read all."""
    speakers = [read_stored(home) for home in sorted(folder.iterdir())]
    return Crowd([said for said in speakers if set(said) == set(READINGS)])
