from __future__ import annotations

import numpy as np
import pytest

from voiceserver.engine.mini_omni.voices import NO_ROW, Plan, Voices
from voiceserver.nn.mini_omni.vocabulary import EOT, PAD_T

NOBODY = 4


def answering() -> Voices:
    """A pair, a row that speaks and writes, a row that only writes; the last voice is idle."""
    voices = Voices(NOBODY)
    voices.start(0, 0, 1)
    voices.start(1, 2, NO_ROW)
    voices.start(2, NO_ROW, 5)
    return voices


def book(voices: Voices, plan: Plan, *texts: int) -> None:
    columns = np.zeros((len(texts), 8), np.int64)
    columns[:, 7] = texts
    voices.book(plan, columns)


def test_rows_that_speak_stand_before_those_that_write() -> None:
    voices = answering()
    plan = voices.plan((2, 1, 0))
    lengths = np.array([10, 11, 12, 0, 0, 15])
    rows, positions, reads, writes_for, fills, counters = voices.fields(plan, lengths).tolist()
    assert rows == [2, 0, 5, 1]
    assert positions == [12, 10, 15, 11]
    assert reads == [1, 0, 2, 0]
    assert writes_for == [1, NOBODY, 2, 0]
    assert fills == [PAD_T] * 4
    assert counters == [0] * 4
    assert (plan.speaking, plan.own_text, plan.places.tolist()) == (2, True, [2, 0, 1])


def test_a_text_that_has_ended_is_planned_no_more() -> None:
    voices = answering()
    for texts in ((7, 7, 7), (EOT, EOT, EOT)):
        book(voices, voices.plan((0, 1, 2)), *texts)
    plan = voices.plan((0, 1, 2))
    assert plan.rows.tolist() == [0, 2, 5]  # what only writes is the caller's to end
    assert plan.writes_for.tolist() == [NOBODY, NOBODY, 2]
    assert not plan.own_text


def test_a_text_that_the_caller_ends_gets_its_eot() -> None:
    voices = answering()
    voices.plan((0, 2))
    voices.end_text(0)
    plan = voices.plan((0, 2))
    assert plan.rows.tolist() == [0, 5]
    assert plan.fills.tolist()[0] == EOT
    book(voices, plan, EOT, 7)
    assert voices.plan((0, 2)).fills.tolist()[0] == PAD_T
    with pytest.raises(AssertionError, match="only writes"):
        voices.end_text(2)


def test_steps_are_counted_from_the_start_of_an_answer() -> None:
    voices = answering()
    for _ in range(3):
        book(voices, voices.plan((0,)), 7)
    lengths = np.zeros(6, np.int64)
    assert voices.fields(voices.plan((0,)), lengths)[5].tolist() == [3, 3]
    voices.end(0)
    voices.start(0, 0, 1)
    assert voices.fields(voices.plan((0,)), lengths)[5].tolist() == [0, 0]


def test_misuse_is_seen() -> None:
    voices = answering()
    with pytest.raises(AssertionError, match="already"):
        voices.start(0, 0, 1)
    with pytest.raises(AssertionError, match="twice"):
        voices.plan((0, 0))
    with pytest.raises(AssertionError, match="not answering"):
        voices.plan((3,))
    with pytest.raises(AssertionError, match="not answering"):
        voices.end(3)
