"""Mini-Omni's rows for every slot: prompts read into them, and one step that advances all voices.

A slot speaks in one row and writes in another (batch-parallel decoding: what the second writes
stands in both); scratch rows write for themselves. A voice is a slot or a scratch row while it
answers. The host keeps the lengths and says which rows a step takes; columns, and with them what a
step feeds to the next, stay on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.engine.mini_omni.graphs import EagerRunner, GraphRunner, Runner, without_capture
from voiceserver.engine.mini_omni.program import PLAN_VOICES, StepProgram
from voiceserver.engine.sampling import Sampling
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.errors import CacheFull, PromptError
from voiceserver.nn.mini_omni.network import MiniOmni, Segment
from voiceserver.nn.mini_omni.vocabulary import EOT, PAD_A, PAD_T, STREAMS, TEXT_STREAM

__all__ = ["Mode", "Segment", "Steps"]


class Mode(Enum):
    """Which rows of a voice answer."""

    PAIR = auto()  # one row speaks, the other writes the text of both
    SPEAK = auto()  # one row speaks and writes its own text
    WRITE = auto()  # one row writes


class _Text(Enum):
    """Where the text of a voice's next column comes from."""

    SAMPLED = auto()
    EOT = auto()  # the caller has ended it
    PAD = auto()  # it has ended


@dataclass
class _Voice:
    """One answer being made."""

    speaking_row: int | None
    writing_row: int | None
    text: _Text = _Text.SAMPLED
    steps: int = 0

    @property
    def speaks(self) -> bool:
        return self.speaking_row is not None

    @property
    def writes_apart(self) -> bool:
        """Whether the next step takes the writing row."""
        return self.writing_row is not None and self.text is _Text.SAMPLED

    @property
    def writes_itself(self) -> bool:
        """Whether the next step takes the text from the speaking row."""
        return self.writing_row is None and self.text is _Text.SAMPLED

    def rows(self) -> list[int]:
        """The rows that the next step takes."""
        writes = self.writing_row if self.writes_apart else None
        return [row for row in (self.speaking_row, writes) if row is not None]


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
        self._voices: dict[int, _Voice] = {}
        self._runner: Runner = EagerRunner(self._program)
        if on_cuda if graphs is None else graphs:
            capture = None if on_cuda else without_capture
            runner = GraphRunner(self._program, slots, slots + scratch, capture)
            runner.capture_all()
            self._runner = runner

    def length(self, row: int) -> int:
        """How many columns a row has read. The last column sampled is not among them yet."""
        return self._cache.lengths[row]

    def room(self, voice: int) -> int:
        """How many steps a voice can still make."""
        longest = max(self.length(row) for row in self._voices[voice].rows())
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
        assert voice not in self._voices, f"voice {voice} is answering already"
        rows = 2 if mode is Mode.PAIR else 1
        if column.shape != (rows, STREAMS):
            raise PromptError(f"{mode.name} starts from [{rows}, {STREAMS}], not {column.shape}")
        prompts.check(column)
        if mode is not Mode.SPEAK and (column[-1, :TEXT_STREAM] != PAD_A).any():
            raise PromptError("a row that writes has only pad_a on its audio streams")
        if column[0, TEXT_STREAM] != column[-1, TEXT_STREAM]:
            raise PromptError("both rows start from the same text")
        self._voices[voice] = self._new_voice(voice, mode)
        self._program.set(voice, column[0], sampling.temperature, sampling.seed)

    def step(self, voices: Sequence[int]) -> NDArray[np.int64]:
        """Advance these voices by one column each, together: [len(voices), 8].

        `CacheFull` before anything is done when one of them has no `room`. The first text sampled
        is not looked at for its end, as in the published code.
        """
        if not voices:
            return np.zeros((0, STREAMS), np.int64)
        assert len(set(voices)) == len(voices), f"a voice occurs twice: {voices}"
        for voice in voices:
            if not self.room(voice):
                raise CacheFull(f"voice {voice} has filled its {self._cache.positions} positions")
        plan, speaking, at = self._plan(voices)
        own_text = any(self._voices[voice].writes_itself for voice in voices)
        columns = self._runner.run(plan, speaking, own_text)[at]
        for voice, column in zip(voices, columns, strict=True):
            self._book(self._voices[voice], int(column[TEXT_STREAM]))
        return columns

    def end_text(self, voice: int) -> None:
        """Let a speaking voice write no more: the next column has eot, those after it pad_t."""
        state = self._voices[voice]
        assert state.speaks, f"voice {voice} only writes: end it"
        if state.text is _Text.SAMPLED:
            state.text = _Text.EOT

    def end(self, voice: int) -> None:
        """The answer is over; its rows keep what they have read."""
        del self._voices[voice]

    def _new_voice(self, voice: int, mode: Mode) -> _Voice:
        if voice >= self._slots:
            assert mode is Mode.WRITE, f"voice {voice} is a scratch row: it can only write"
            return _Voice(speaking_row=None, writing_row=self._slots + voice)
        return _Voice(
            speaking_row=None if mode is Mode.WRITE else 2 * voice,
            writing_row=None if mode is Mode.SPEAK else 2 * voice + 1,
        )

    def _plan(self, voices: Sequence[int]) -> tuple[NDArray[np.int64], int, list[int]]:
        """The step's plan [6, N], how many of its rows speak, and the first row of each voice."""
        states = [(voice, self._voices[voice]) for voice in voices]
        entries = [self._entry(voice, s, s.speaking_row) for voice, s in states if s.speaks]
        speaking = len(entries)
        entries += [self._entry(voice, s, s.writing_row) for voice, s in states if s.writes_apart]
        plan = np.ascontiguousarray(np.array(entries, np.int64).T)
        return plan, speaking, [plan[PLAN_VOICES].tolist().index(voice) for voice in voices]

    def _entry(self, voice: int, state: _Voice, row: int | None) -> tuple[int, ...]:
        assert row is not None
        position = self._cache.span(row, 1).start
        decides = row == state.writing_row or state.writes_itself
        writes_for = voice if decides else self._program.nobody
        fill = EOT if state.text is _Text.EOT else PAD_T
        return row, position, voice, writes_for, fill, state.steps

    def _book(self, voice: _Voice, text: int) -> None:
        """A step has been made."""
        for row in voice.rows():
            self._cache.append(row, self._cache.span(row, 1))
        first_text = voice.text is _Text.SAMPLED and not voice.steps
        if voice.speaks and text == EOT and not first_text:
            voice.text = _Text.PAD
        voice.steps += 1
