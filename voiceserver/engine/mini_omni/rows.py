"""What each row has read and what it should read, and the reading itself in bounded pieces.

Rows keep the longest beginning that what they should read shares with what they have read. Rounding
depends on how columns are cut into pieces, so pieces end where a row's position is a multiple of
their length: a session is answered the same alone and among others, however its audio came in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.columns import Columns, Features
from voiceserver.engine.mini_omni.steps import Segment, Steps
from voiceserver.nn.mini_omni.vocabulary import STREAMS


class RowReader:
    """The books of all rows of `steps`."""

    def __init__(self, steps: Steps, features: Features, pieces: Sequence[int]) -> None:
        self._steps = steps
        self._features = features
        self._pieces = pieces  # columns a row reads at once
        rows = len(pieces)
        self._read = [col.nothing() for _ in range(rows)]
        self._wanted = [col.nothing() for _ in range(rows)]

    def read(self, row: int) -> Columns:
        """What stands in a row."""
        return self._read[row]

    def want(self, row: int, columns: Columns, donors: Sequence[int] = ()) -> None:
        """Have a row read this and nothing else; a donor that has read more of it is copied."""
        self._wanted[row] = columns
        kept = col.common_prefix(self._read[row], columns)
        shared = {donor: col.common_prefix(self._read[donor], columns) for donor in donors}
        best = max(shared, key=lambda donor: shared[donor], default=row)
        if shared.get(best, 0) > kept:
            self._steps.copy(best, row, shared[best])
            self._read[row] = columns[: shared[best]]
        elif kept < len(self._read[row]):
            self._steps.rollback(row, kept)
            self._read[row] = columns[:kept]

    def unread(self, row: int) -> int:
        """How many columns a row has still to read."""
        return len(self._wanted[row]) - len(self._read[row])

    def whole_pieces(self, row: int) -> bool:
        """Whether a piece can be read now that would not end early."""
        return self._next_end(row) <= len(self._wanted[row])

    def extend(self, rows: Sequence[int]) -> None:
        """Each of these rows reads its next piece, all in one pass."""
        segments = [self._segment(row) for row in rows]
        self._steps.extend(segments)
        for row, segment in zip(rows, segments, strict=True):
            self._read[row] = self._wanted[row][: len(self._read[row]) + len(segment.ids)]

    def answered(self, row: int, answer: Columns) -> None:
        """A row has made this behind what it was to read, its last column perhaps unread yet."""
        stands = np.concatenate([self._wanted[row], answer])[: self._steps.length(row)]
        self._read[row] = self._wanted[row] = stands

    def clear(self, row: int) -> None:
        """Forget a row's session."""
        self._steps.rollback(row, 0)
        self._read[row] = self._wanted[row] = col.nothing()

    def _next_end(self, row: int) -> int:
        return (len(self._read[row]) // self._pieces[row] + 1) * self._pieces[row]

    def _segment(self, row: int) -> Segment:
        begin = len(self._read[row])
        columns = self._wanted[row][begin : self._next_end(row)]
        assert len(columns), f"row {row} has read everything"
        heard = columns[:, col.FEATURE] != col.NO_FEATURE
        runs = np.flatnonzero(np.diff(heard.astype(np.int8), prepend=0) == 1)
        if len(runs) > 1:  # a segment's features stand side by side
            columns, heard = columns[: runs[1]], heard[: runs[1]]
        ids = torch.from_numpy(columns[:, :STREAMS])
        if not len(runs):
            return Segment(row, ids)
        features = self._features.gather(columns[heard, col.FEATURE])
        return Segment(row, ids, features, int(runs[0]))
