"""The recipe of the duplex policy, stage by stage, in a work folder that keeps what is done.

speech (Kokoro users, Piper users, our own replies) -> dialogues as features -> training ->
calibration -> weights. Every stage goes on where it stopped; what is done is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voiceserver.assets import resolve
from voiceserver.engine.nano.recogniser import Recogniser
from voiceserver.nn import judges
from voiceserver.nn.duplex import DuplexPolicy, DuplexShape, save
from voiceserver.nn.judges import FLOOR, TURN_END, Question
from voiceserver.scenes.dialogues import Dialogue, dialogue
from voiceserver.scenes.kokoro import speak_marked
from voiceserver.scenes.speech import Speech
from voiceserver.scenes.texts import PARTS, Part
from voiceserver.scenes.voices import to_synthesize
from voiceserver.training.duplex import judging
from voiceserver.training.duplex.judging import Judged, examples
from voiceserver.training.duplex.piper import PiperSpeaker
from voiceserver.training.duplex.report import table
from voiceserver.training.duplex.shards import (
    DIALOGUES,
    LENGTH_S,
    Make,
    Shard,
    read_shards,
    write_shard,
)
from voiceserver.training.duplex.sounds import Sound, over_us, pauses_and_ends
from voiceserver.training.duplex.speech import (
    CachedSpeech,
    PiperBank,
    bank_size,
    fill_bank,
    read_bank,
)
from voiceserver.training.duplex.training import Dialogues, PolicyTraining, calibrated
from voiceserver.training.replies import Reply, read_replies, write_replies
from voiceserver.training.schedule import Report
from voiceserver.training.teacher import TEACHER_FILE

FOLDERS = ("piper", "kokoro", "held_out")  # of shards, by who speaks
REPLIES = 384  # for our own voice to say, and statements for users
KOKORO_PASSES = {"training": 3, "held_out": 1}  # voices that say each text
Told = Callable[[int], None]


@dataclass(frozen=True)
class DuplexRecipe:
    work: Path  # speech, shards and the checkpoint; kept between runs
    weights: Path  # where the policy goes
    hours: float  # of training dialogues, half of them by Piper's users
    held_out_hours: float
    readings: int  # of Piper's
    seed: int
    sounds: int = 4500  # for each judge, and a fifth of it to measure on

    @property
    def utterances(self) -> int:
        """How many readings and utterances there are to be."""
        kokoro = sum(1 for part in PARTS for _ in to_synthesize(part, KOKORO_PASSES[part]))
        return bank_size(self.readings) + kokoro

    @property
    def shards(self) -> int:
        return sum(self._shards.values())

    @property
    def _shards(self) -> dict[str, int]:
        """How many shards each kind of speakers fills."""
        hours = {"piper": self.hours / 2, "kokoro": self.hours / 2, "held_out": self.held_out_hours}
        shard_s = LENGTH_S * DIALOGUES
        return {folder: max(2, round(hours[folder] * 3600 / shard_s)) for folder in FOLDERS}

    def write_replies(self, told: Told) -> list[Reply]:
        path = self.work / "replies.jsonl"
        thinker = resolve("nano")["thinker"]
        write_replies(thinker, path, self.seed, float("inf"), REPLIES, told)
        return list(read_replies(path))

    def speak(self, replies: Sequence[Reply], told: Told) -> None:
        """All speech: the scenes' users by Kokoro, others and our own replies by Piper."""
        teacher = resolve("nano", ("teacher",))["teacher"] / TEACHER_FILE
        fill_bank(
            self.work / "bank", PiperSpeaker(teacher), replies, self.readings, self.seed, told
        )
        done = bank_size(self.readings)
        for part in PARTS:
            for text, voice in to_synthesize(part, KOKORO_PASSES[part]):
                speak_marked(text, voice)
                told(done := done + 1)

    def make_dialogues(self, told: Told) -> None:
        """Shards of both kinds of training dialogues, and held-out ones."""
        vad, bank = resolve("nano")["vad"], read_bank(self.work / "bank")
        makers: dict[str, Make] = {
            "piper": _maker(bank, bank, "training"),
            "kokoro": _maker(CachedSpeech("training"), bank, "training"),
            "held_out": _maker(CachedSpeech("held_out"), bank, "held_out"),
        }
        done = 0
        for kind, folder in enumerate(FOLDERS):
            for number in range(self._shards[folder]):
                write_shard(
                    self.work / folder,
                    number,
                    [self.seed, kind],
                    makers[folder],
                    vad,
                    keep_sound=folder == "held_out",
                )
                told(done := done + 1)

    def read(self, *folders: str) -> list[Shard]:
        return [shard for folder in folders for shard in read_shards(self.work / folder)]

    def train(self, seconds: float, on_progress: Report) -> DuplexPolicy:
        """Train, calibrate on the first half of the held-out dialogues, and write the weights."""
        dialogues = Dialogues.of(self.read("piper", "kokoro"))
        training = PolicyTraining(dialogues, DuplexShape(), self.seed)
        checkpoint = self.work / "policy.pt"
        if checkpoint.exists():
            training.restore(checkpoint)
        policy = training.run(seconds, checkpoint, on_progress)
        held_out = self.read("held_out")
        policy = calibrated(policy, Dialogues.of(held_out[: len(held_out) // 2]))
        made: dict[str, Any] = {
            "steps": training.step,
            "seconds": round(training.spent_s),
            "dialogues": len(dialogues),
            "seed": self.seed,
        }
        save(policy, self.weights, made)
        return policy

    def train_judges(self, told: Told) -> list[str]:
        """Train and write both judges; tables of what they say of held-out sounds."""
        recogniser, bank = Recogniser(resolve("nano")["listener"]), read_bank(self.work / "bank")
        tables, done = [], 0
        for question in (FLOOR, TURN_END):
            made: dict[Part, Judged] = {}
            for number, part in enumerate(PARTS):
                made[part] = examples(
                    question,
                    _sounds(question, bank, part),
                    recogniser,
                    self.work / f"{question.name}.{part}.npz",
                    self._sounds(part),
                    self.seed + number,
                )
                told(done := done + self._sounds(part))
            judge = judging.train(question, made["training"], self.seed)
            about: dict[str, float | str] = {"sounds": self.sounds, "seed": self.seed}
            judges.save(judge, self.weights, about)
            tables.append(judging.measured(judge, made["held_out"]))
        return tables

    @property
    def judged_sounds(self) -> int:
        """How many sounds both judges are trained and measured on."""
        return 2 * sum(self._sounds(part) for part in PARTS)

    def _sounds(self, part: Part) -> int:
        return self.sounds if part == "training" else max(1, self.sounds // 5)

    def measured(self, policy: DuplexPolicy) -> str:
        """A table of what rules on its forecasts do in the other half of the held-out dialogues."""
        held_out = self.read("held_out")
        return table(policy, held_out[len(held_out) // 2 :], resolve("nano")["turn_end"])


def _maker(speech: Speech[Any], bank: PiperBank, part: Part) -> Make:
    def make(random: np.random.Generator) -> Dialogue:
        return dialogue(random, speech, bank.own(random), part, LENGTH_S)

    return make


def _sounds(question: Question, bank: PiperBank, part: Part) -> judging.Make:
    """Training sounds come from both kinds of users in turn, held-out ones from Kokoro's."""
    cached = CachedSpeech(part)

    def make(random: np.random.Generator) -> Iterator[Sound]:
        speech: Speech[Any] = cached
        if part == "training" and random.random() < 0.5:
            speech = bank
        if question is FLOOR:
            return over_us(random, speech, bank, part)
        return pauses_and_ends(random, speech, part)

    return make
