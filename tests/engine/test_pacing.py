from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.engine.pacing import Playout


def test_sound_is_ahead_until_the_clock_has_played_it() -> None:
    playout = Playout()
    assert playout.add(0.1, now_s=5.0) == 0.0
    assert playout.add(0.1, now_s=5.0) == pytest.approx(0.1)
    assert playout.ahead_s(5.0) == pytest.approx(0.2)
    assert playout.ahead_s(5.15) == pytest.approx(0.05)
    assert playout.ahead_s(6.0) == 0.0


def test_playout_starts_anew_after_an_underrun() -> None:
    playout = Playout()
    playout.add(0.1, now_s=0.0)
    assert playout.add(0.1, now_s=3.0) == 0.0
    assert playout.ahead_s(3.0) == pytest.approx(0.1)


@given(st.lists(st.tuples(st.floats(0.0, 0.3), st.floats(0.001, 0.1))))
def test_a_frame_that_is_due_never_breaks_the_bound(steps: list[tuple[float, float]]) -> None:
    playout, now_s = Playout(), 0.0
    for wait_s, frame_s in steps:
        now_s += wait_s
        if playout.due_in_s(now_s, frame_s, run_ahead_s=0.4) == 0.0:
            playout.add(frame_s, now_s)
        assert playout.ahead_s(now_s) <= 0.4 + 1e-9
