from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.nn.sync_llm.chunks import (
    CHUNKS_MS,
    UNIT_SAMPLES,
    Chunk,
    cut,
    deduplicated,
    interpolated,
    read_back,
    units_per_chunk,
    written,
)

units = st.integers(0, 4)  # few, so that there are long runs
counts = st.sampled_from([units_per_chunk(ms) for ms in CHUNKS_MS])


def test_sizes_are_the_papers() -> None:
    assert [units_per_chunk(ms) for ms in CHUNKS_MS] == [4, 5, 6]
    assert [units_per_chunk(ms) * UNIT_SAMPLES for ms in CHUNKS_MS] == [2560, 3200, 3840]
    with pytest.raises(AssertionError):
        units_per_chunk(170)


def test_a_run_is_one_unit_also_across_the_border() -> None:
    own = [75, 75, 75, 75, 75, 17, 338, 338, 338, 338, 338, 338]
    user = [89, 89, 89, 89, 89, 89, 89, 89, 89, 2, 2, 89]
    assert written(own, user, 4) == [
        Chunk((75,), (89,)),
        Chunk((17, 338), ()),  # 75 only continues, the user has nothing new
        Chunk((), (2, 89)),
    ]


@pytest.mark.parametrize(
    ("news", "count", "expected"),
    [
        ((), 4, (9, 9, 9, 9)),  # an empty chunk goes on with the last unit
        ((1,), 4, (1, 1, 1, 1)),
        ((1, 2), 4, (1, 1, 2, 2)),
        ((1, 2, 3), 4, (1, 1, 2, 3)),
        ((1, 2), 5, (1, 1, 1, 2, 2)),
        ((1, 2, 1, 2, 1, 2), 6, (1, 2, 1, 2, 1, 2)),
    ],
)
def test_units_fill_the_chunk_equally(
    news: tuple[int, ...], count: int, expected: tuple[int, ...]
) -> None:
    assert interpolated(news, 9, count) == expected


def test_more_units_than_a_chunk_holds_are_an_error() -> None:
    with pytest.raises(AssertionError):
        interpolated((1, 2, 3, 4, 5), 9, 4)


@given(st.lists(units, min_size=1, max_size=60), units)
def test_nothing_that_is_new_is_lost(spoken: list[int], before: int) -> None:
    news = deduplicated(spoken, before)
    assert all(a != b for a, b in zip((before, *news), news, strict=False))
    assert news == deduplicated(news, before)
    assert deduplicated(spoken, None) == ((before, *news) if spoken[0] == before else news)


@given(st.lists(units, min_size=6, max_size=90), counts)
def test_news_survive_the_way_to_full_rate_and_back(spoken: list[int], count: int) -> None:
    chunks = written(spoken, spoken, count)
    again = read_back([chunk.own for chunk in chunks], count)
    assert len(again) == len(chunks) * count
    assert written(again, again, count) == chunks


@given(st.lists(units, min_size=6, max_size=90), counts)
def test_each_new_unit_begins_in_the_chunk_it_began_in(spoken: list[int], count: int) -> None:
    """So no sound is off by a chunk or more."""
    spoken = spoken[: len(spoken) - len(spoken) % count]
    again = read_back([chunk.own for chunk in written(spoken, spoken, count)], count)
    for begun, read in ((_begins(spoken), _begins(again)),):
        assert [unit for _, unit in begun] == [unit for _, unit in read]
        moved = [abs(a - b) for (a, _), (b, _) in zip(begun, read, strict=True)]
        assert max(moved) < count
        assert [a // count for a, _ in begun] == [b // count for b, _ in read]


def _begins(spoken: list[int]) -> list[tuple[int, int]]:
    """Where each run begins."""
    befores: list[int | None] = [None, *spoken]
    return [
        (at, unit) for at, (before, unit) in enumerate(zip(befores, spoken, strict=False))
        if unit != before
    ]  # fmt: skip


def test_a_part_of_a_chunk_is_left_out() -> None:
    assert cut([1, 2, 3, 4, 5], 4) == [(1, 2, 3, 4)]
