"""Which rows answer for each voice, in arrays: a step is planned for all voices at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voiceserver.nn.mini_omni.vocabulary import EOT, PAD_T, TEXT_STREAM

Integers = NDArray[np.int64]

NO_ROW: Final = -1
# Where the text of a voice's next column comes from.
SAMPLED: Final = 0
ENDING: Final = 1  # the caller has ended it: eot is next
ENDED: Final = 2


class Mode(Enum):
    """Which rows of a voice answer."""

    PAIR = auto()  # one row speaks, the other writes the text of both
    SPEAK = auto()  # one row speaks and writes its own text
    WRITE = auto()  # one row writes


@dataclass(frozen=True)
class Plan:
    """The rows of one step, those that speak before those that write."""

    asked: Integers  # the voices, in the caller's order
    places: Integers  # the first row of each of them
    rows: Integers  # [N], of the cache
    voices: Integers  # [N], whose column each row reads
    writes_for: Integers  # [N], the voice whose text it decides
    fills: Integers  # [N], the text of a voice that nobody writes for
    speaking: int
    own_text: bool  # some rows speak and write


class Voices:
    """The answers being made. The voice after the last is nobody."""

    def __init__(self, count: int) -> None:
        self.nobody = count
        self._speaking_row = np.full(count, NO_ROW)
        self._writing_row = np.full(count, NO_ROW)
        self._text = np.zeros(count, np.int64)
        self._steps = np.zeros(count, np.int64)
        self._planned: tuple[tuple[int, ...], Plan] | None = None  # good until a voice changes

    def start(self, voice: int, speaking_row: int, writing_row: int) -> None:
        """Without a row for speaking or for writing: NO_ROW."""
        assert not self.answering(voice), f"voice {voice} is answering already"
        self._speaking_row[voice], self._writing_row[voice] = speaking_row, writing_row
        self._text[voice], self._steps[voice] = SAMPLED, 0
        self._planned = None

    def end(self, voice: int) -> None:
        assert self.answering(voice), f"voice {voice} is not answering"
        self._speaking_row[voice] = self._writing_row[voice] = NO_ROW
        self._planned = None

    def answering(self, voice: int) -> bool:
        return bool(max(self._speaking_row[voice], self._writing_row[voice]) != NO_ROW)

    def rows(self, voice: int) -> list[int]:
        """The rows that its next step takes."""
        speaks = int(self._speaking_row[voice])
        writes = int(self._writing_row[voice]) if self._text[voice] == SAMPLED else NO_ROW
        return [row for row in (speaks, writes) if row != NO_ROW]

    def end_text(self, voice: int) -> None:
        assert self._speaking_row[voice] != NO_ROW, f"voice {voice} only writes: end it"
        self._text[voice] = max(self._text[voice], ENDING)
        self._planned = None

    def plan(self, voices: tuple[int, ...]) -> Plan:
        """The next step of these voices. Most steps go as the one before."""
        if self._planned is None or self._planned[0] != voices:
            assert len(set(voices)) == len(voices), f"a voice occurs twice: {voices}"
            self._planned = voices, self._new_plan(np.array(voices, np.int64))
        return self._planned[1]

    def fields(self, plan: Plan, lengths: Integers) -> Integers:
        """A plan as `StepProgram` takes it: [6, N]"""
        positions, counters = lengths[plan.rows], self._steps[plan.voices]
        parts = (plan.rows, positions, plan.voices, plan.writes_for, plan.fills, counters)
        return np.concatenate(parts).reshape(len(parts), -1)

    def book(self, plan: Plan, columns: Integers) -> None:
        """A step has been made: a column [8] for each voice asked for.

        The first text sampled is not looked at for its end, as in the published code.
        """
        voices, text = plan.asked, columns[:, TEXT_STREAM]
        if (text == EOT).any():
            first = (self._text[voices] == SAMPLED) & (self._steps[voices] == 0)
            speaks = self._speaking_row[voices] != NO_ROW
            self._text[voices[speaks & (text == EOT) & ~first]] = ENDED
            self._planned = None
        self._steps[voices] += 1

    def _new_plan(self, voices: Integers) -> Plan:
        writing = self._text[voices] == SAMPLED
        speaks = self._speaking_row[voices] != NO_ROW
        apart = (self._writing_row[voices] != NO_ROW) & writing
        own = (self._writing_row[voices] == NO_ROW) & writing
        assert np.all(speaks | apart), f"of the voices {voices} some are not answering"
        first, second = voices[speaks], voices[apart]
        both = np.concatenate([first, second])
        decides = np.where(own[speaks], first, self.nobody)
        behind = len(first) + np.cumsum(apart) - 1
        return Plan(
            asked=voices,
            places=np.where(speaks, np.cumsum(speaks) - 1, behind),
            rows=np.concatenate([self._speaking_row[first], self._writing_row[second]]),
            voices=both,
            writes_for=np.concatenate([decides, second]),
            fills=np.where(self._text[both] == ENDING, EOT, PAD_T),
            speaking=len(first),
            own_text=bool(own.any()),
        )
