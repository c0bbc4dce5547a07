"""The recipe of the duplex policy, stage by stage, in a work folder that keeps what is done.

speech (Kokoro users, a crowd of them, Piper users, our own replies) -> dialogues as features ->
training -> calibration -> weights, and those of the judges. Every stage goes on where it stopped;
what is done is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voiceserver.assets import resolve
from voiceserver.nn.duplex import DuplexPolicy, DuplexShape, save
from voiceserver.scenes.dialogues import Dialogue, dialogue
from voiceserver.scenes.kokoro import speak_marked
from voiceserver.scenes.speech import Speech
from voiceserver.scenes.texts import PARTS, Part
from voiceserver.scenes.voices import to_synthesize
from voiceserver.training.duplex.crowd import Crowd, crowd_readings, fill_crowd, read_crowd
from voiceserver.training.duplex.judges_recipe import JudgesRecipe
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

FOLDERS = ("piper", "kokoro", "held_out", "crowd")  # of shards, by who speaks
TRAINING = ("piper", "kokoro", "crowd")
REPLIES = 384  # for our own voice to say, and statements for users
KOKORO_PASSES = {"training": 3, "held_out": 1}  # voices that say each text
Told = Callable[[int], None]


@dataclass(frozen=True)
class DuplexRecipe:
    work: Path  # speech, shards and the checkpoint; kept between runs
    weights: Path  # where the policy goes
    hours: float  # of training dialogues, a third of them by each kind of users
    held_out_hours: float
    readings: int  # of Piper's
    speakers: int  # of the crowd
    seed: int
    sounds: int  # for each judge of sounds, and a fifth of it to measure on

    @property
    def utterances(self) -> int:
        """How many readings and utterances there are to be."""
        kokoro = sum(1 for part in PARTS for _ in to_synthesize(part, KOKORO_PASSES[part]))
        return bank_size(self.readings) + kokoro + crowd_readings(self.speakers)

    @property
    def shards(self) -> int:
        return sum(self._shards.values())

    @property
    def _shards(self) -> dict[str, int]:
        """How many shards each kind of speakers fills."""
        hours = dict.fromkeys(TRAINING, self.hours / len(TRAINING))
        hours["held_out"] = self.held_out_hours
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
        crowd = fill_crowd(self.work / "crowd", replies, range(self.speakers), self.seed)
        for read in crowd:
            told(done + read)

    def make_dialogues(self, told: Told) -> None:
        """Shards of both kinds of training dialogues, and held-out ones."""
        vad, bank, crowd = resolve("nano")["vad"], *self._read_speech()
        makers: dict[str, Make] = {
            "piper": _maker(bank, bank, "training"),
            "kokoro": _maker(CachedSpeech("training"), bank, "training"),
            "held_out": _maker(CachedSpeech("held_out"), bank, "held_out"),
            "crowd": _maker(crowd, bank, "training"),
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

    def _read_speech(self) -> tuple[PiperBank, Crowd]:
        return read_bank(self.work / "bank"), read_crowd(self.work / "crowd")

    def read(self, *folders: str) -> list[Shard]:
        return [shard for folder in folders for shard in read_shards(self.work / folder)]

    def train(self, seconds: float, on_progress: Report) -> DuplexPolicy:
        """Train, calibrate on the first half of the held-out dialogues, and write the weights."""
        dialogues = Dialogues.of(self.read(*TRAINING))
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

    def train_judges(self, replies: Sequence[Reply], told: Told) -> list[str]:
        """Train and write the judges; tables of what they say of held-out sounds and words."""
        return self._judges.train(*self._read_speech(), replies, told)

    @property
    def judged(self) -> int:
        """How many sounds and turns the judges are trained and measured on."""
        return self._judges.draws

    @property
    def _judges(self) -> JudgesRecipe:
        return JudgesRecipe(self.work, self.weights, self.sounds, self.seed)

    def measured(self, policy: DuplexPolicy) -> str:
        """A table of what rules on its forecasts do in the other half of the held-out dialogues."""
        held_out = self.read("held_out")
        return table(policy, held_out[len(held_out) // 2 :], resolve("nano")["turn_end"])


def _maker(speech: Speech[Any], bank: PiperBank, part: Part) -> Make:
    def make(random: np.random.Generator) -> Dialogue:
        return dialogue(random, speech, bank.own(random), part, LENGTH_S)

    return make
