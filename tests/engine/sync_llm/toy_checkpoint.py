"""A checkpoint whose networks are a few lines: tests of the loop see what went in and came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceserver.bench.sync_llm.random_checkpoint import unit_tokenizer
from voiceserver.clock import FakeClock
from voiceserver.engine.family import Samples
from voiceserver.engine.sync_llm.checkpoint import Checkpoint, Settings
from voiceserver.engine.sync_llm.conversations import Conversations
from voiceserver.nn.mini_omni.cache import KvCache
from voiceserver.nn.sync_llm.backbone import Segment
from voiceserver.nn.sync_llm.chunks import UNIT_SAMPLES
from voiceserver.nn.sync_llm.config import LlamaShape
from voiceserver.nn.sync_llm.vocabulary import Vocabulary

SHAPE = LlamaShape(1, 4, 4, 1, 1, 4, 1000, 512, bos=256)


class Echoing:
    """Says what it likes best: after [S1] or our tag a unit that depends on all it has read."""

    def __init__(self, vocabulary: Vocabulary, talkative: bool) -> None:
        self.shape, self._vocabulary, self._talkative = SHAPE, vocabulary, talkative
        self.rows: dict[int, list[int]] = {}
        self.on_read: Callable[[], None] = lambda: None
        self.passes = 0

    def new_cache(self, rows: int, positions: int) -> KvCache:
        return KvCache(SHAPE, rows, positions, torch.device("cpu"), torch.float32)

    def read(self, cache: KvCache, segments: Sequence[Segment]) -> Tensor:
        self.on_read()
        self.passes += 1
        logits = torch.zeros(len(segments), len(self._vocabulary.tokens))
        for place, segment in enumerate(segments):
            cache.append(segment.row, cache.span(segment.row, len(segment.tokens)))
            seen = self.rows.setdefault(segment.row, [])
            seen += segment.tokens
            logits[place, 0] = 1.0
            if self._talkative and segment.tokens[-1] == self._vocabulary.own_tag:
                logits[place, 2 + (7 * len(seen) + sum(segment.tokens)) % 500] = 2.0
        return logits

    def drop(self, cache: KvCache, row: int, begin: int, end: int) -> None:
        cache.rollback(row, int(cache.lengths[row]) - (end - begin))


class Level:
    """A unit is how loud its 40 ms are, in hundredths."""

    units = 501

    def __call__(self, windows: Tensor) -> Tensor:
        return (windows.view(len(windows), -1, UNIT_SAMPLES)[..., 0] * 100).round().long()


class Steady:
    """The sound of a unit is its number, in thousandths."""

    reach = 1

    def __call__(self, units: Tensor) -> Tensor:
        return (units.float() / 1000).repeat_interleave(UNIT_SAMPLES, 1)


class Tape:
    """What every user has sent."""

    def __init__(self) -> None:
        self.samples: dict[int, Samples] = {}

    def read(self, slot: int, begin: int, end: int) -> Samples:
        return self.samples.get(slot, np.zeros(0, np.float32))[begin:end]


class Room:
    """Conversations of toys, a clock, and users who send numbered chunks: chunk n is as loud as n
    hundredths, wrapping at 400 (0 is silence)."""

    def __init__(
        self, chunk_ms: int = 160, slots: int = 2, talkative: bool = True, positions: int = 512
    ) -> None:
        tokenizer = unit_tokenizer()
        vocabulary = Vocabulary.of_tokenizer(tokenizer)
        self.network: Any = Echoing(vocabulary, talkative)
        settings = Settings(chunk_ms, temperature=0.0, positions=positions)
        checkpoint = Checkpoint(settings, self.network, tokenizer, vocabulary, Level(), Steady())
        self.clock, self.tape = FakeClock(start_s=1000.0), Tape()
        self.all = Conversations(checkpoint, self.tape, slots, self.clock, seed=1)
        self.chunk_s, self.samples = self.all.chunks.chunk_s, self.all.chunks.samples
        self.heard: dict[int, list[tuple[float, Samples]]] = {}

    @property
    def contexts(self) -> Any:
        return self.all._steps.contexts

    def send(self, slot: int, number: int) -> None:
        chunk = np.full(self.samples, (1 + number % 400) / 100, np.float32)
        before = self.tape.samples.get(slot, np.zeros(0, np.float32))
        self.tape.samples[slot] = np.concatenate([before, chunk])
        self.all.received(slot, self.samples)

    def tick(self) -> None:
        """What the loop does with a continuous family."""
        work = self.all.work()
        if work.talking:
            for spoken in self.all.talk(work.talking):
                moment = (self.clock.now_s(), spoken.samples)
                self.heard.setdefault(spoken.slot, []).append(moment)
        elif work.thinking:
            self.all.think()

    def until(self, moment_s: float) -> None:
        """Let the loop run, sleeping as it says, until this time after the start."""
        until_s = 1000.0 + moment_s
        while True:
            work = self.all.work()
            if work.talking or work.thinking:
                self.tick()
                continue
            left_s = until_s - self.clock.now_s()
            if left_s <= 1e-9:
                return
            wake_s = left_s if work.wake_in_s is None else work.wake_in_s
            self.clock.advance(max(1e-7, min(wake_s, left_s)))
