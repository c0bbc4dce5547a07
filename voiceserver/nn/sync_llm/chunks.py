"""SyncLLM's way of writing two-channel speech as one stream of tokens (arXiv 2409.15594, par. 3.1).

Time is cut into chunks. A speaker's chunk has `units_per_chunk` units, one each 40 ms; written, a
run of the same unit is one, also across the border of two chunks. Every chunk is the tag of our own
speaker and its new units, then, only if there are any, the user's tag and new units. Read back,
the new units of a chunk are repeated equally to fill it, so nothing moves by more than a chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from voiceserver.clock import LISTEN_RATE_HZ, exact_div

UNIT_RATE_HZ = 25
UNIT_MS = exact_div(1000, UNIT_RATE_HZ)  # 40
UNIT_SAMPLES = exact_div(LISTEN_RATE_HZ, UNIT_RATE_HZ)  # 640
CHUNKS_MS = (160, 200, 240)

Units = tuple[int, ...]


@dataclass(frozen=True)
class Chunk:
    """What both said in one chunk: new units only."""

    own: Units
    user: Units


def units_per_chunk(chunk_ms: int) -> int:
    """4, 5 or 6."""
    assert chunk_ms in CHUNKS_MS, f"a chunk of {chunk_ms} ms"
    return exact_div(chunk_ms, UNIT_MS)


def deduplicated(units: Iterable[int], before: int | None) -> Units:
    """The units that differ from the one in front of them; `before` is in front of the first."""
    news: list[int] = []
    for unit in units:
        if unit != before:
            news.append(unit)
        before = unit
    return tuple(news)


def interpolated(news: Sequence[int], before: int, count: int) -> Units:
    """A chunk of `count` units again. `before` is the speaker's last unit of the chunk in front.

    Where the count is no multiple of the units, earlier ones are the longer.
    """
    assert len(news) <= count, f"{len(news)} units in a chunk of {count}"
    if not news:
        return (before,) * count
    times, longer = divmod(count, len(news))
    repeats = (times + (index < longer) for index in range(len(news)))
    return tuple(unit for unit, n in zip(news, repeats, strict=True) for _ in range(n))


def cut(units: Sequence[int], count: int) -> list[Units]:
    """Units of one speaker in chunks of `count`; what is left over at the end is dropped."""
    whole = len(units) - len(units) % count
    return [tuple(units[begin : begin + count]) for begin in range(0, whole, count)]


def written(own: Sequence[int], user: Sequence[int], count: int) -> list[Chunk]:
    """Two speakers' units, from the beginning of their dialogue on, as chunks of new units."""
    chunks: list[Chunk] = []
    own_before = user_before = None
    for mine, theirs in zip(cut(own, count), cut(user, count), strict=True):
        chunks.append(Chunk(deduplicated(mine, own_before), deduplicated(theirs, user_before)))
        own_before, user_before = mine[-1], theirs[-1]
    return chunks


def read_back(news: Iterable[Sequence[int]], count: int) -> list[int]:
    """One speaker's units at their full rate again; the first chunk must have one."""
    units: list[int] = []
    chunks = iter(news)
    for first in islice(chunks, 1):
        assert first, "a dialogue begins with a unit"
        units += interpolated(first, first[0], count)
    for new in chunks:
        units += interpolated(new, units[-1], count)
    return units
