from __future__ import annotations

import math

import pytest

from voiceserver.bench.sync_llm.turn_events import Events, correlations, events_of, joined, pearson


def test_short_silences_are_part_of_an_ipu() -> None:
    assert joined([(0.0, 1.0), (1.2, 2.0), (2.3, 3.0)]) == [(0.0, 2.0), (2.3, 3.0)]
    assert joined([(1.0, 2.0), (0.0, 1.5), (1.1, 1.2)]) == [(0.0, 2.0)]
    assert joined([]) == []


def approximately(found: Events, ipu: list[float], pause: list[float], fto: list[float]) -> None:
    assert sorted(found.ipu) == pytest.approx(sorted(ipu))
    assert found.pause == pytest.approx(pause)
    assert found.fto == pytest.approx(fto)


def test_a_gap_a_pause_and_an_overlap() -> None:
    one = [(0.0, 2.0), (2.5, 4.0), (9.0, 10.0)]  # a pause of 0.5 s
    other = [(4.4, 7.0), (6.9, 9.3)]  # after a gap of 0.4 s, one IPU; then 0.3 s of overlap
    approximately(
        events_of(one, other), ipu=[2.0, 1.5, 1.0, 4.9], pause=[0.5], fto=[0.4, 9.0 - 9.3]
    )


def test_speech_within_the_others_takes_no_floor() -> None:
    one = [(0.0, 5.0), (5.6, 7.0)]
    other = [(2.0, 2.5)]  # mm-hm
    approximately(events_of(one, other), ipu=[5.0, 1.4, 0.5], pause=[0.6], fto=[])


def test_speech_in_a_pause_takes_it() -> None:
    approximately(
        events_of([(0.0, 1.0), (3.0, 4.0)], [(1.5, 2.0)]),
        ipu=[1.0, 1.0, 0.5],
        pause=[],
        fto=[0.5, 1.0],
    )


def test_one_who_speaks_alone() -> None:
    approximately(events_of([(0.0, 1.0), (2.0, 3.0)], []), ipu=[1.0, 1.0], pause=[1.0], fto=[])
    assert events_of([], []).means() == {"ipu": None, "pause": None, "fto": None}


def test_pearson_by_hand() -> None:
    assert pearson([1, 2, 3], [2, 4, 6]) == pytest.approx(1.0)
    assert pearson([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    # x - mean: -1 0 1; y - mean: 0 -1 1, so 1 / sqrt(2 * 2)
    assert pearson([1, 2, 3], [5, 4, 6]) == pytest.approx(0.5)
    assert pearson([1, None, 2, 3], [2, 9, 4, 6]) == pytest.approx(1.0)
    assert pearson([1, 2], [1, 2]) is None
    assert pearson([1, 1, 1], [1, 2, 3]) is None


def test_correlations_are_of_mean_durations_per_dialogue() -> None:
    truth = [
        Events([1.0, 3.0], [0.3], [0.1]),
        Events([4.0], [0.5], []),
        Events([6.0], [0.4], [0.2]),
    ]
    made = [Events([1.0], [0.6], [1.0]), Events([2.0], [0.2, 0.2], [2.0]), Events([3.0], [0.4], [])]
    found = correlations(made, truth)
    assert found["ipu"] == pytest.approx(1.0)
    assert found["pause"] == pytest.approx(-1.0)
    assert found["fto"] is None  # only one dialogue has it on both sides
    assert found["avg"] is None
    same = correlations(truth[:1] * 2 + truth, truth[:1] * 2 + truth)
    assert not math.isnan(same["ipu"] or 0.0)
