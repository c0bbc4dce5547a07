"""What rows have read: kept, taken back, copied, and read in pieces that depend on nobody else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.columns import Columns, Features
from voiceserver.engine.mini_omni.rows import RowReader
from voiceserver.engine.mini_omni.steps import Segment, Steps

from ...parity import drawn

PIECE = 4
WHISPER = drawn.config().whisper_dim


class Spy(Steps):
    """Real steps that remember what they were given to read."""

    def __init__(self) -> None:
        super().__init__(drawn.small_model(), 2, positions=96)
        self.segments: list[Segment] = []

    def extend(self, segments) -> None:  # type: ignore[no-untyped-def]
        self.segments += segments
        super().extend(segments)


def new_reader() -> tuple[RowReader, Spy, Features]:
    steps, features = Spy(), Features()
    return RowReader(steps, features, [PIECE] * 5), steps, features


def read_all(reader: RowReader, row: int) -> None:
    while reader.unread(row):
        reader.extend([row])


def stands(reader: RowReader, steps: Steps, row: int, wanted: Columns) -> bool:
    return np.array_equal(reader.read(row), wanted) and steps.length(row) == len(wanted)


@given(
    wishes=st.lists(
        st.tuples(st.integers(0, 2), st.lists(st.integers(1, 3), max_size=20), st.booleans()),
        max_size=8,
    )
)
@settings(max_examples=25, deadline=None)
def test_rows_end_up_with_what_is_wanted_and_read_no_column_they_have(
    wishes: list[tuple[int, list[int], bool]],
) -> None:
    reader, steps, _ = new_reader()
    for row, tokens, donate in wishes:
        wanted = col.written(tokens)
        rows = range(3)
        best = max(col.common_prefix(reader.read(r), wanted) for r in (rows if donate else [row]))
        steps.segments.clear()
        reader.want(row, wanted, donors=[r for r in rows if r != row] if donate else [])
        read_all(reader, row)
        assert stands(reader, steps, row, wanted)
        assert sum(len(s.ids) for s in steps.segments) == len(wanted) - best


def test_pieces_end_at_the_same_places_however_the_columns_came() -> None:
    reader, steps, features = new_reader()
    numbers = features.add(torch.rand(18, WHISPER)).numbers
    block = features.add(torch.rand(18, WHISPER))
    whole = col.heard(block.numbers)
    for come in (3, 9, 18):  # while the user speaks: only whole pieces
        reader.want(0, col.heard(block.numbers[:come], over=False))
        while reader.whole_pieces(0):
            reader.extend([0])
    reader.want(0, whole)
    read_all(reader, 0)
    live = [len(s.ids) for s in steps.segments]
    steps.segments.clear()
    reader.want(2, whole)
    read_all(reader, 2)
    assert live == [len(s.ids) for s in steps.segments] == [4, 4, 4, 4, 4]
    assert len(numbers) == 18


def test_features_stand_where_their_columns_are() -> None:
    reader, steps, features = new_reader()
    first, second = features.add(torch.rand(5, WHISPER)), features.add(torch.rand(3, WHISPER))
    numbers = np.concatenate([first.numbers, second.numbers])
    wanted = np.concatenate([col.typed([1]), col.heard(numbers), col.heard(first.numbers)])
    reader.want(0, wanted)
    read_all(reader, 0)
    given_to_read: list[torch.Tensor] = []
    at = 0
    for segment in steps.segments:
        for index in range(len(segment.ids)):
            feature = index - segment.features_at
            has = segment.features is not None and 0 <= feature < len(segment.features)
            assert has == (wanted[at, col.FEATURE] != col.NO_FEATURE)
            if has:
                assert segment.features is not None
                given_to_read.append(segment.features[feature])
            at += 1
    assert at == len(wanted)
    assert torch.equal(
        torch.stack(given_to_read),
        torch.cat([first.features, second.features, first.features]),
    )


def test_an_answer_is_booked_as_far_as_it_was_read() -> None:
    reader, steps, _ = new_reader()
    question, answer = col.typed([1, 2]), col.written([7, 8, 9])
    reader.want(0, question)
    read_all(reader, 0)
    steps.extend([Segment(0, torch.from_numpy(answer[:2, :8]))])  # the last is not read yet
    reader.answered(0, answer)
    assert stands(reader, steps, 0, np.concatenate([question, answer[:2]]))
    reader.want(0, np.concatenate([question, answer, col.typed([3])]))
    assert reader.unread(0) == 4
    reader.clear(0)
    assert stands(reader, steps, 0, col.nothing())


def test_too_much_is_refused_and_nothing_is_booked() -> None:
    reader, steps, _ = new_reader()
    reader.want(0, col.written([1] * 97))
    with pytest.raises(Exception, match="positions"):
        read_all(reader, 0)
    assert steps.length(0) == len(reader.read(0)) == 96
