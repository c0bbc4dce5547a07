from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.audio.ring import SampleRing


@given(st.lists(st.integers(0, 25), max_size=12), st.integers(-5, 150), st.integers(-5, 150))
def test_reads_what_was_written_at_its_position(sizes: list[int], begin: int, end: int) -> None:
    ring, everything = SampleRing(20), np.zeros(0, np.int16)
    for size in sizes:
        new = np.arange(len(everything), len(everything) + size, dtype=np.int16)
        everything = np.concatenate([everything, new])
        ring.write(new.tobytes())
    assert ring.end == len(everything)
    kept = range(max(begin, ring.begin, 0), min(end, ring.end))
    expected = everything[kept.start : max(kept.stop, kept.start)].astype(np.float32) / 32768
    np.testing.assert_array_equal(ring.read(begin, end), expected)
    assert ring.end - ring.begin == min(20, len(everything))


def test_an_odd_byte_is_ignored() -> None:
    ring = SampleRing(8)
    ring.write(b"\x01\x00\x02")
    assert ring.end == 1
