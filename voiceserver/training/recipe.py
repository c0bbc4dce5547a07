"""The recipe of the voice, stage by stage, in a work folder that keeps what is done.

text (the thinker's replies) -> speech (the teacher's latents) -> codec -> talker. Every stage goes
on where it stopped; a stage that is done is not done again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer

from voiceserver.assets import resolve
from voiceserver.nn.checkpoint import CODEC_FILE, TALKER_FILE, load_network, read_metadata
from voiceserver.nn.codec import LATENT_HZ, Codec, CodecShape
from voiceserver.nn.talker import TalkerShape
from voiceserver.training.codec import CodecTraining, evaluate
from voiceserver.training.corpus import Corpus, read_shards, write_shards
from voiceserver.training.export import export_codec, export_talker, teacher_vocoder
from voiceserver.training.replies import read_replies, split_held_out, write_replies
from voiceserver.training.schedule import Report
from voiceserver.training.talker import TalkerTraining
from voiceserver.training.teacher import TEACHER_FILE, Teacher
from voiceserver.training.variations import vocabulary_words

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Recipe:
    work: Path  # replies, shards and checkpoints; kept between runs
    weights: Path  # where the voice's weight files go
    replies: int  # to write, held-out ones included
    hours: float  # of speech
    seed: int
    device: torch.device

    @property
    def shards(self) -> Path:
        return self.work / "shards"

    def write_text(self, on_batch: Callable[[int], None]) -> None:
        path = self.work / "replies.jsonl"
        write_replies(
            resolve("nano")["thinker"], path, self.seed, float("inf"), self.replies, on_batch
        )

    def teach(self, on_hours: Callable[[float], None]) -> Corpus:
        """The teacher's speech for the training replies."""
        assets = resolve("nano", ("run", "teacher"))
        thinker = assets["thinker"]
        tokenizer = AutoTokenizer.from_pretrained(str(thinker.parent), gguf_file=thinker.name)
        words = vocabulary_words(list(tokenizer.get_vocab()))
        training, _ = split_held_out(list(read_replies(self.work / "replies.jsonl")))
        most = int(self.hours * SECONDS_PER_HOUR * LATENT_HZ)

        def report(latents: int) -> None:
            on_hours(latents / LATENT_HZ / SECONDS_PER_HOUR)

        teacher = Teacher(assets["teacher"] / TEACHER_FILE)
        write_shards(training, words, teacher, self.shards, self.seed, most, report)
        return read_shards(self.shards, most)

    def train_codec(self, corpus: Corpus, seconds: float, on_progress: Report) -> float:
        """Writes the codec's weight file; returns its error on speech it was not trained on."""
        latents = torch.from_numpy(corpus.latents)
        training = CodecTraining(latents, CodecShape(), self.seed, self.device)
        checkpoint = self.work / "codec.pt"
        if checkpoint.exists():
            training.restore(checkpoint)
        codec = training.run(seconds, checkpoint, on_progress)
        error = evaluate(codec, latents)
        made = {"steps": training.step, "seconds": seconds, "error": error, **self._made(corpus)}
        teacher = resolve("nano", ("teacher",))["teacher"] / TEACHER_FILE
        export_codec(self.weights / CODEC_FILE, codec, teacher_vocoder(teacher), made)
        return error

    def train_talker(self, corpus: Corpus, seconds: float, on_progress: Report) -> dict[str, float]:
        """Writes the talker's weight file; returns its losses on sentences not trained on."""
        codec_path = self.weights / CODEC_FILE
        codec = Codec(CodecShape(**read_metadata(codec_path)["shape"]))
        load_network(codec_path, "codec", codec)
        shape = TalkerShape(codec.shape)
        training = TalkerTraining(corpus, codec, shape, self.seed, self.device)
        checkpoint = self.work / "talker.pt"
        if checkpoint.exists():
            training.restore(checkpoint)
        talker = training.run(seconds, checkpoint, on_progress)
        losses = training.evaluate()
        made = {"steps": training.step, "seconds": seconds, **losses, **self._made(corpus)}
        teacher = Teacher(resolve("nano", ("teacher",))["teacher"] / TEACHER_FILE)
        export_talker(self.weights / TALKER_FILE, talker, teacher.symbol_ids, made)
        return losses

    def _made(self, corpus: Corpus) -> dict[str, float]:
        hours = len(corpus.latents) / LATENT_HZ / SECONDS_PER_HOUR
        return {"hours": round(hours, 2), "seed": self.seed}
