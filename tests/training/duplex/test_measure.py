"""Takes and stops counted on dialogues made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.stage import Event, EventKind
from voiceserver.training.duplex.measure import (
    WINDOW_S,
    Fired,
    held,
    stops_of,
    takes_of,
)

WINDOWS = 400


def _event(kind: EventKind, begin_s: float, end_s: float) -> Event:
    return Event(kind, round(begin_s * LISTEN_RATE_HZ), round(end_s * LISTEN_RATE_HZ))


def _fired(*spans_s: tuple[float, float]) -> Fired:
    at_s = np.arange(1, WINDOWS + 1) * WINDOW_S
    fired = np.zeros(WINDOWS, bool)
    for begin_s, end_s in spans_s:
        fired |= (at_s >= begin_s) & (at_s < end_s)
    return fired


def test_held_waits_for_windows_in_a_row() -> None:
    values = np.array([1, 1, 0, 1, 1, 1], bool)
    assert held(values, 2).tolist() == [False, True, False, False, True, True]
    assert held(values, 1).tolist() == values.tolist()


def test_takes() -> None:
    dialogue = [_event("turn", 1.0, 6.0), _event("pause", 2.0, 3.0), _event("pause", 4.0, 5.0)]
    takes = takes_of([dialogue, dialogue], lambda n: _fired((4.5, 4.8), (6.2 + n, 9.0)))
    assert (takes.pauses, takes.taken_pauses) == (4, 2)
    assert takes.ends == 2
    assert takes.delays_s == [pytest.approx(0.2, abs=WINDOW_S)]  # the other was too late


def test_ends_that_are_answered_soon_are_not_judged() -> None:
    dialogue = [_event("turn", 1.0, 3.0), _event("own", 3.4, 5.0)]
    assert takes_of([dialogue], lambda _: _fired()).ends == 0


def test_stops() -> None:
    dialogue = [
        _event("own", 0.5, 8.0),
        _event("backchannel", 1.5, 1.9),
        _event("noise", 3.0, 3.3),
        _event("aside", 4.0, 5.0),
        _event("interruption", 7.0, 9.5),
    ]
    stops = stops_of([dialogue], lambda _: _fired((4.4, 4.6), (7.3, 8.0)))
    assert stops.heard == {
        "backchannel": 1,
        "noise": 1,
        "aside": 1,
        "interruption": 1,
        "alone": 1,
    }
    assert stops.percent("backchannel") == stops.percent("noise") == stops.percent("alone") == 0
    assert stops.percent("aside") == 100
    assert stops.delays_s["interruption"] == [pytest.approx(0.3, abs=WINDOW_S)]


def test_a_stop_without_any_sound_is_counted() -> None:
    stops = stops_of([[_event("own", 0.5, 8.0)]], lambda _: _fired((4.4, 4.6)))
    assert stops.percent("alone") == 100
