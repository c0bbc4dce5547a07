"""The recipe of the judges: what they hear or read, training, and tables of what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from voiceserver.assets import resolve
from voiceserver.engine.nano.recogniser import Recogniser
from voiceserver.nn import judges
from voiceserver.nn.judges import FLOOR, TURN_END, WORDING, Question, SoundQuestion
from voiceserver.scenes.speech import Speech
from voiceserver.scenes.texts import PARTS, Part
from voiceserver.training.duplex import judging, wording
from voiceserver.training.duplex.crowd import Crowd
from voiceserver.training.duplex.judging import Judged, Make, examples
from voiceserver.training.duplex.sounds import Sound, over_us, pauses_and_ends
from voiceserver.training.duplex.speech import CachedSpeech, PiperBank
from voiceserver.training.replies import Reply

SOUND_QUESTIONS: Final = (FLOOR, TURN_END)
Told = Callable[[int], None]
Made = dict[Part, Judged]


@dataclass(frozen=True)
class JudgesRecipe:
    work: Path  # features are kept here
    weights: Path
    sounds: int  # for each judge of sounds, and a fifth of it to measure on
    seed: int

    @property
    def draws(self) -> int:
        """How many sounds and turns there will be."""
        sounds = sum(self._sounds(part) for part in PARTS)
        return len(SOUND_QUESTIONS) * sounds + sum(len(self._turns(part)) for part in PARTS)

    def train(
        self, bank: PiperBank, crowd: Crowd, replies: Sequence[Reply], told: Told
    ) -> list[str]:
        """Make what is missing, train and write all judges; a table of each."""
        recogniser, done = Recogniser(resolve("nano")["listener"]), 0
        tables = []
        for question in SOUND_QUESTIONS:
            made: Made = {}
            for part in PARTS:
                users = speakers(bank, crowd, part)
                more = _on_top(told, done)
                made[part] = self._heard(question, recogniser, users, bank, part, more)
                told(done := done + self._sounds(part))
            tables.append(self._trained(question, made))
        made = {}
        for part in PARTS:
            made[part] = self._read(replies, part, _on_top(told, done))
            told(done := done + len(self._turns(part)))
        return [*tables, self._trained(WORDING, made)]

    def _heard(
        self,
        question: SoundQuestion,
        recogniser: Recogniser,
        users: Sequence[Speech[Any]],
        bank: PiperBank,
        part: Part,
        told: Told,
    ) -> Judged:
        def make() -> Judged:
            heard = _sounds_of(question, users, bank, part)
            count, seed = self._sounds(part), self._seed(part)
            return examples(question, heard, recogniser, count, seed, told)

        return Judged.kept(self._file(question, part), make)

    def _read(self, replies: Sequence[Reply], part: Part, told: Told) -> Judged:
        def make() -> Judged:
            reader = wording.Reader(resolve("nano")["thinker"], replies)
            random = np.random.default_rng(self._seed(part))
            return reader.examples(self._turns(part), random, told)

        return Judged.kept(self._file(WORDING, part), make)

    def _trained(self, question: Question, made: Made) -> str:
        judge = judging.train(question, made["training"], self.seed)
        about: dict[str, float | str] = {
            "examples": len(made["training"].classes),
            "seed": self.seed,
        }
        judges.save(judge, self.weights, about)
        return judging.measured(judge, made["held_out"])

    def _turns(self, part: Part) -> list[str]:
        return wording.turns(part, np.random.default_rng(self._seed(part)))

    def _sounds(self, part: Part) -> int:
        return self.sounds if part == "training" else max(1, self.sounds // 5)

    def _seed(self, part: Part) -> int:
        return self.seed + PARTS.index(part)

    def _file(self, question: Question, part: Part) -> Path:
        return self.work / f"{question.name}.{part}.npz"


def _on_top(told: Told, before: int) -> Told:
    """Tells of what is done, other things included that were done before."""
    return lambda done: told(before + done)


def speakers(bank: PiperBank, crowd: Crowd, part: Part) -> list[Speech[Any]]:
    """Training hears all kinds of users in turn, what is held out has the scenes' own."""
    cached = CachedSpeech(part)
    return [cached, bank, crowd] if part == "training" else [cached]


def _sounds_of(
    question: SoundQuestion, users: Sequence[Speech[Any]], bank: PiperBank, part: Part
) -> Make:
    def make(random: np.random.Generator) -> Iterator[Sound]:
        speech = users[int(random.integers(len(users)))]
        if question is FLOOR:
            return over_us(random, speech, bank, part)
        return pauses_and_ends(random, speech, part)

    return make
