"""Writes down what users said, with the model's own transcription task on scratch rows.

A question whose beginning is the turn being followed, or just answered, takes that turn's features;
others are encoded in a place of their own. All of it gives way to replies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.engine.family import Heard, Transcript
from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni import dialogue
from voiceserver.engine.mini_omni.rows import RowReader
from voiceserver.engine.mini_omni.steps import Mode, Steps
from voiceserver.engine.mini_omni.turns import rows_of
from voiceserver.engine.mini_omni.utterances import Utterances
from voiceserver.engine.sampling import Sampling
from voiceserver.engine.text import TextStream
from voiceserver.nn.mini_omni.vocabulary import EOT, STREAMS, TEXT_STREAM

log = logging.getLogger(__name__)
P = ParamSpec("P")

# Nobody speaks faster than this, so a longer text is a model going round in circles.
TOKENS_PER_S = 8
TOKENS_AT_LEAST = 8
SHORTEST_SAMPLES = LISTEN_RATE_HZ // 10


@dataclass
class Job:
    """One question to be answered."""

    slot: int
    request_id: int
    start_sample: int
    end_sample: int
    final: bool
    heard: dialogue.Heard | None = None  # once it is encoded
    stream: TextStream | None = None  # once it is being written
    tokens: int = 0
    text: str = ""

    @property
    def samples(self) -> int:
        return self.end_sample - self.start_sample

    @property
    def most_tokens(self) -> int:
        return TOKENS_AT_LEAST + TOKENS_PER_S * self.samples // LISTEN_RATE_HZ


class Transcriber:
    """The questions that wait, and those that have a scratch row."""

    def __init__(
        self,
        utterances: Utterances,
        rows: RowReader,
        steps: Steps,
        tokenizer: Tokenizer,
        slots: int,
        scratch: int,
    ) -> None:
        self._utterances = utterances
        self._rows = rows
        self._steps = steps
        self._tokenizer = tokenizer
        self._slots = slots
        self._jobs: dict[int, Job] = {}  # by voice
        self._free = list(range(slots, slots + scratch))
        self._waiting: list[Job] = []
        self._done: list[Heard] = []

    def submit(self, job: Job) -> None:
        """Take a question; a look that has not begun gives way to anything newer of its slot."""
        self._waiting = [j for j in self._waiting if j.slot != job.slot or j.final]
        if job.samples < SHORTEST_SAMPLES:
            self._done.append(Transcript(job.slot, job.request_id, ""))
        else:
            self._waiting.append(job)

    def forget(self, slot: int) -> None:
        """A session has ended."""
        self._waiting = [job for job in self._waiting if job.slot != slot]
        self._done = [heard for heard in self._done if heard.slot != slot]
        for voice in [voice for voice, job in self._jobs.items() if job.slot == slot]:
            self._release(voice)

    def collect(self) -> list[Heard]:
        """Questions answered since the last call."""
        done, self._done = self._done, []
        return done

    @property
    def answered(self) -> bool:
        """Whether `collect` would bring something."""
        return bool(self._done)

    @property
    def prepares(self) -> bool:
        """Whether a question can be given a row, or has something to hear or to read."""
        return bool(self._waiting and self._free) or any(map(self._prepares, self._jobs))

    @property
    def writes(self) -> bool:
        """Whether an answer waits for its next step."""
        return not all(map(self._prepares, self._jobs))

    # --- bounded pieces of work -------------------------------------------------------------------

    def hear(self) -> None:
        """Give free rows to those who wait, and take features that have become complete."""
        self._waiting.sort(key=lambda job: not job.final)  # stable: the oldest first
        while self._waiting and self._free:
            self._jobs[self._free.pop(0)] = self._waiting.pop(0)
        for voice, job in list(self._jobs.items()):
            if job.heard is None:
                self._guarded(voice, self._hear, voice, job)

    def read(self) -> bool:
        """Let one row read a piece; False when none has anything to read."""
        for voice, job in list(self._jobs.items()):
            if job.heard is not None and self._rows.unread(self._row(voice)):
                self._guarded(voice, self._rows.extend, [self._row(voice)])
                return True
        return False

    def writing(self) -> list[int]:
        """Voices that have read everything and can take a step."""
        ready: list[int] = []
        for voice, job in list(self._jobs.items()):
            if self._prepares(voice):
                continue
            if job.stream is None:
                self._guarded(voice, self._start, voice, job)
            if voice in self._jobs:
                ready.append(voice)
        return ready

    def take(self, voice: int, column: NDArray[np.int64]) -> None:
        """A step has brought a voice's next column: [8]"""
        job = self._jobs[voice]
        assert job.stream is not None, f"voice {voice} has not begun"
        token, job.tokens = int(column[TEXT_STREAM]), job.tokens + 1
        over = token == EOT and job.tokens > 1
        if token < EOT:
            job.text += job.stream.push(token)
        if over or job.tokens >= job.most_tokens or not self._steps.room(voice):
            self._done.append(Transcript(job.slot, job.request_id, job.text))
            self._release(voice)

    def fail(self, voices: Sequence[int]) -> None:
        """A step has failed."""
        for voice in voices:
            self._fail(voice)

    def fail_hearing(self) -> None:
        """What is still being encoded cannot be."""
        self.fail([voice for voice, job in self._jobs.items() if job.heard is None])

    # --- inside -----------------------------------------------------------------------------------

    def _prepares(self, voice: int) -> bool:
        return self._jobs[voice].heard is None or self._rows.unread(self._row(voice)) > 0

    def _row(self, voice: int) -> int:
        return self._slots + voice

    def _hear(self, voice: int, job: Job) -> None:
        start, end = job.start_sample, job.end_sample
        place = voice
        if self._utterances.follows(job.slot, job.slot, start):
            place = job.slot
            self._utterances.reach(place, end)
        elif not self._utterances.follow(voice, job.slot, start, end):
            self._fail(voice)  # asked too late: the audio is gone
            return
        job.heard = self._utterances.heard(place, end)
        if job.heard is not None:
            question = col.heard(job.heard.numbers)
            self._rows.want(self._row(voice), question, donors=rows_of(job.slot))

    def _start(self, voice: int, job: Job) -> None:
        column = torch.from_numpy(col.transcribe()[:, :STREAMS])
        self._steps.start(voice, Mode.WRITE, column, Sampling(temperature=0.0, seed=0))
        job.stream = TextStream(self._tokenizer)

    def _guarded(self, voice: int, work: Callable[P, None], *args: P.args, **kw: P.kwargs) -> None:
        """Do something for one voice; what goes wrong costs its answer and no other."""
        try:
            work(*args, **kw)
        except Exception:
            log.exception("a transcription failed")
            self._fail(voice)

    def _fail(self, voice: int) -> None:
        job = self._jobs[voice]
        self._done.append(Transcript(job.slot, job.request_id, "", failed=True))
        self._release(voice)

    def _release(self, voice: int) -> None:
        job = self._jobs.pop(voice)
        if job.stream is not None:
            self._steps.end(voice)
        self._utterances.drop(voice)
        self._rows.clear(self._row(voice))
        self._free.append(voice)
