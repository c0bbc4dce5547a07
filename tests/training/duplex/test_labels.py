"""Labels of dialogues made by hand: what should be answered after each window."""

from __future__ import annotations

import numpy as np

from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.scenes.stage import Event, EventKind
from voiceserver.training.duplex.labels import (
    BACKCHANNELS,
    ELSEWHERE,
    GOES_ON,
    IDLE_WEIGHT,
    INTERRUPTS,
    ONSET_WEIGHT,
    OWN_BACKCHANNEL,
    OWN_GO_ON,
    OWN_SILENT,
    OWN_START,
    OWN_STOP,
    SILENT,
    YIELDS,
    Labels,
    labels,
)

WINDOWS = 400  # 12.8 s


def _event(kind: EventKind, begin_s: float, end_s: float) -> Event:
    return Event(kind, round(begin_s * LISTEN_RATE_HZ), round(end_s * LISTEN_RATE_HZ))


def _at(moment_s: float) -> int:
    """The window that ends at or just after a moment."""
    return int(np.ceil(moment_s * LISTEN_RATE_HZ / VAD_WINDOW_SAMPLES)) - 1


def _answered_turn() -> Labels:
    events = [_event("turn", 1.0, 5.5), _event("pause", 4.2, 5.0), _event("own", 6.5, 9.0)]
    return labels(events, WINDOWS)


def test_a_turn_with_a_pause_and_an_answer() -> None:
    found = _answered_turn()
    for moment_s, user, own in [
        (0.5, SILENT, OWN_SILENT),
        (1.1, GOES_ON, OWN_SILENT),
        (4.25, GOES_ON, OWN_SILENT),
        (4.5, GOES_ON, OWN_BACKCHANNEL),  # three seconds into the turn
        (4.95, GOES_ON, OWN_SILENT),
        (5.45, GOES_ON, OWN_SILENT),
        (5.6, YIELDS, OWN_START),
        (6.4, YIELDS, OWN_START),
        (6.6, SILENT, OWN_GO_ON),
        (9.5, SILENT, OWN_SILENT),
    ]:
        assert (found.user[_at(moment_s)], found.own[_at(moment_s)]) == (user, own), moment_s


def test_weights_lie_where_decisions_are_made() -> None:
    weight = _answered_turn().weight
    assert weight[_at(0.5)] == IDLE_WEIGHT
    assert weight[_at(4.5)] > weight[_at(2.0)] > IDLE_WEIGHT
    assert weight[_at(5.53)] < weight[_at(5.58)] < weight[_at(5.8)]  # grace


def test_an_unanswered_user_is_silent_in_the_end() -> None:
    found = labels([_event("turn", 1.0, 3.0)], WINDOWS)
    assert found.user[_at(5.4)] == YIELDS
    assert found.user[_at(5.6)] == SILENT


def test_sounds_while_we_speak() -> None:
    events = [
        _event("own", 0.5, 8.0),
        _event("backchannel", 1.5, 1.9),
        _event("noise", 3.0, 3.3),
        _event("aside", 4.0, 5.0),
        _event("interruption", 7.5, 9.5),
    ]
    found = labels(events, WINDOWS)
    for moment_s, user, own in [
        (1.0, SILENT, OWN_GO_ON),
        (1.6, BACKCHANNELS, OWN_GO_ON),
        (2.2, SILENT, OWN_GO_ON),
        (3.2, ELSEWHERE, OWN_GO_ON),
        (4.5, ELSEWHERE, OWN_GO_ON),
        (7.6, INTERRUPTS, OWN_STOP),
        (7.95, INTERRUPTS, OWN_STOP),
        (8.2, INTERRUPTS, OWN_SILENT),  # a moment ago we still spoke
        (9.0, GOES_ON, OWN_SILENT),
        (9.8, YIELDS, OWN_START),
    ]:
        assert (found.user[_at(moment_s)], found.own[_at(moment_s)]) == (user, own), moment_s
    for onset_s in (1.55, 3.1, 4.2, 7.6):
        assert found.weight[_at(onset_s)] == ONSET_WEIGHT


def test_we_talk_on_after_an_interruption_ended() -> None:
    """Nothing is right while both are at fault; when we stop it is the user who waits."""
    events = [_event("own", 0.5, 6.0), _event("interruption", 2.0, 4.0)]
    found = labels(events, WINDOWS)
    assert found.weight[_at(5.0)] == 0.0
    assert found.user[_at(6.5)] == YIELDS


def test_a_wrong_answer_in_a_pause_is_interrupted() -> None:
    events = [_event("turn", 1.0, 6.0), _event("pause", 2.0, 4.0), _event("own", 2.5, 4.6)]
    found = labels(events, WINDOWS)
    assert found.user[_at(2.3)] == GOES_ON
    assert found.weight[_at(3.0)] == 0.0
    assert (found.user[_at(4.3)], found.own[_at(4.3)]) == (INTERRUPTS, OWN_STOP)
    assert found.user[_at(5.5)] == GOES_ON
    assert found.user[_at(6.5)] == YIELDS
