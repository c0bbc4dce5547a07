"""Mini-Omni's rows for every slot: prompts read into them, and one step that advances all voices.

A slot speaks in one row and writes in another (batch-parallel decoding: what the second writes
stands in both); scratch rows write for themselves. A voice is a slot or a scratch row while it
answers. The host keeps the lengths and says which rows a step takes; columns, and with them what a
step feeds to the next, stay on the device.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.engine.mini_omni.graphs import EagerRunner, GraphRunner, Runner, without_capture
from voiceserver.engine.mini_omni.program import StepProgram
from voiceserver.engine.mini_omni.voices import NO_ROW, Mode, Voices
from voiceserver.engine.sampling import Sampling
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.errors import CacheFull, PromptError
from voiceserver.nn.mini_omni.network import MiniOmni, Segment
from voiceserver.nn.mini_omni.vocabulary import PAD_A, STREAMS, TEXT_STREAM

__all__ = ["Mode", "Segment", "Steps"]


class Steps:
    """Static rows: 2 * slot speaks, 2 * slot + 1 writes, 2 * slots + i are scratch."""

    def __init__(
        self,
        network: MiniOmni,
        slots: int,
        *,
        positions: int = 2048,
        scratch: int = 1,
        graphs: bool | None = None,
    ) -> None:
        on_cuda = network.device.type == "cuda"
        self._network, self._slots = network, slots
        # One row more than there are voices' rows is for padding.
        positions = min(positions, network.config.positions)
        self._cache = network.new_cache(2 * slots + scratch + 1, positions)
        self._program = StepProgram(network, self._cache, slots + scratch)
        self._voices = Voices(slots + scratch)
        self._runner: Runner = EagerRunner(self._program)
        if on_cuda if graphs is None else graphs:
            capture = None if on_cuda else without_capture
            runner = GraphRunner(self._program, slots, slots + scratch, capture)
            runner.capture_all()
            self._runner = runner

    def length(self, row: int) -> int:
        """How many columns a row has read. The last column sampled is not among them yet."""
        return int(self._cache.lengths[row])

    def room(self, voice: int) -> int:
        """How many steps a voice can still make."""
        longest = max(self.length(row) for row in self._voices.rows(voice))
        return self._cache.positions - longest

    def extend(self, segments: Sequence[Segment]) -> None:
        """Let rows read columns; of many rows in one call. All are checked before any is read."""
        if segments:
            self._network.read(self._cache, segments)

    def copy(self, source_row: int, target_row: int, length: int) -> None:
        """Let a row hold the first `length` columns of another and nothing else."""
        self._cache.copy(source_row, target_row, length)

    def rollback(self, row: int, length: int) -> None:
        """Forget what a row has read after its first `length` columns."""
        self._cache.rollback(row, length)

    def start(self, voice: int, mode: Mode, column: Tensor, sampling: Sampling) -> None:
        """Begin an answer; its first step reads `column`, the prompt's last: [rows, 8]."""
        rows = 2 if mode is Mode.PAIR else 1
        if column.shape != (rows, STREAMS):
            raise PromptError(f"{mode.name} starts from [{rows}, {STREAMS}], not {column.shape}")
        prompts.check(column)
        if mode is not Mode.SPEAK and (column[-1, :TEXT_STREAM] != PAD_A).any():
            raise PromptError("a row that writes has only pad_a on its audio streams")
        if column[0, TEXT_STREAM] != column[-1, TEXT_STREAM]:
            raise PromptError("both rows start from the same text")
        self._voices.start(voice, *self._rows(voice, mode))
        self._program.set(voice, column[0], sampling.temperature, sampling.seed)

    def step(self, voices: Sequence[int]) -> NDArray[np.int64]:
        """Advance these voices by one column each, together: [len(voices), 8].

        `CacheFull` before anything is done when one of them has no `room`.
        """
        if not voices:
            return np.zeros((0, STREAMS), np.int64)
        plan, lengths = self._voices.plan(tuple(voices)), self._cache.lengths
        full = lengths[plan.rows] >= self._cache.positions
        if full.any():
            voice = plan.voices[full][0]
            raise CacheFull(f"voice {voice} has filled its {self._cache.positions} positions")
        fields = self._voices.fields(plan, lengths)
        columns = self._runner.run(fields, plan.speaking, plan.own_text)[plan.places]
        lengths[plan.rows] += 1
        self._voices.book(plan, columns)
        return columns

    def end_text(self, voice: int) -> None:
        """Let a speaking voice write no more: the next column has eot, those after it pad_t."""
        self._voices.end_text(voice)

    def end(self, voice: int) -> None:
        """The answer is over; its rows keep what they have read."""
        self._voices.end(voice)

    def _rows(self, voice: int, mode: Mode) -> tuple[int, int]:
        """The rows that speak and write."""
        if voice >= self._slots:
            assert mode is Mode.WRITE, f"voice {voice} is a scratch row: it can only write"
            return NO_ROW, self._slots + voice
        speaking = NO_ROW if mode is Mode.WRITE else 2 * voice
        return speaking, NO_ROW if mode is Mode.SPEAK else 2 * voice + 1
