"""Dialogue events -> what the policy should have said after every window, and how much it matters.

A label stands for the moment at a window's end. Weights put the learning where decisions are
made: the first second of a silence after speech, and the first half second of a voice over ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.engine.forecast import OWN_FORECAST, USER_FORECAST
from voiceserver.scenes.stage import TURNS, Event, EventKind

SILENT, GOES_ON, YIELDS, INTERRUPTS, BACKCHANNELS, ELSEWHERE = range(len(USER_FORECAST))
OWN_SILENT, OWN_START, OWN_GO_ON, OWN_STOP, OWN_BACKCHANNEL = range(len(OWN_FORECAST))

AUDIBLE_AFTER_S = 0.01  # of a sound, and the window hears it
TAIL_S = 0.1  # a sound is known for what it was a moment longer
YIELDS_S = 2.5  # then an unanswered user is simply silent
GRACE_S = 0.128  # after a turn's end: the weight rises
DECISION_S = (0.05, 1.0)  # of a silence: here it is decided
ONSET_S = 0.5
OWN_MEMORY_S = 0.3  # an interruption stays one just after we fell silent
BACKCHANNEL_IN_PAUSE_S = (0.15, 0.6)
LONG_TURN_S = 3.0

IDLE_WEIGHT = 0.25
ONSET_WEIGHT = 3.0
SILENCE_WEIGHT = 2.0


@dataclass(frozen=True)
class Labels:
    user: NDArray[np.int64]  # [T]
    own: NDArray[np.int64]  # [T]
    weight: NDArray[np.float32]  # [T]


class _Moments:
    """The ends of a dialogue's windows, and which of them lie in some spans."""

    def __init__(self, windows: int) -> None:
        self.at_s = np.arange(1, windows + 1) * (VAD_WINDOW_SAMPLES / LISTEN_RATE_HZ)

    def between(self, begin_s: float, end_s: float) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.at_s > begin_s) & (self.at_s <= end_s)
        return found

    def among(
        self, events: Sequence[Event], begin_s: float = 0.0, end_s: float = 0.0
    ) -> NDArray[np.bool_]:
        """In any of the events, their ends moved by so much."""
        found = np.zeros(len(self.at_s), bool)
        for event in events:
            found |= self.between(event.begin_s + begin_s, event.end_s + end_s)
        return found


def labels(events: Sequence[Event], windows: int) -> Labels:
    """What to answer after each of the windows of a dialogue."""
    moments = _Moments(windows)
    turns = sorted((e for e in events if e.kind in TURNS), key=lambda e: e.begin)
    pauses, own = _of(events, "pause"), _of(events, "own")
    apart, backchannels = _of(events, "aside", "noise", "broadcast"), _of(events, "backchannel")
    speaking, paused = moments.among(own), moments.among(pauses)
    user = np.full(windows, SILENT)
    weight = np.where(speaking, 1.0, IDLE_WEIGHT).astype(np.float32)

    user[moments.among(apart, AUDIBLE_AFTER_S, TAIL_S)] = ELSEWHERE
    user[moments.among(backchannels, AUDIBLE_AFTER_S, TAIL_S)] = BACKCHANNELS
    for sound in (*apart, *backchannels):
        onset = moments.between(sound.begin_s, sound.begin_s + ONSET_S)
        _raise(weight, moments.among([sound]), 1.0)
        _raise(weight, onset & speaking, ONSET_WEIGHT)
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        inside = moments.among([turn], AUDIBLE_AFTER_S)
        over_us = inside & ~paused & moments.among(own, 0.0, OWN_MEMORY_S)
        user[inside] = GOES_ON
        user[over_us] = INTERRUPTS
        _raise(weight, inside, 1.0)
        if over_us.any():
            first_s = moments.at_s[over_us][0]
            _raise(weight, over_us & (moments.at_s <= first_s + ONSET_S), ONSET_WEIGHT)
        next_s = np.inf if following is None else following.begin_s
        _label_end(user, weight, moments, turn, next_s, own)
    for pause in pauses:
        first_s, last_s = (pause.begin_s + s for s in DECISION_S)
        _raise(weight, moments.between(first_s, min(last_s, pause.end_s)), SILENCE_WEIGHT)
    weight[paused & speaking] = 0.0  # we have spoken up in a pause: nothing is right
    return Labels(user, _own_labels(user, speaking, moments, turns, pauses), weight)


def _label_end(
    user: NDArray[np.int64],
    weight: NDArray[np.float32],
    moments: _Moments,
    turn: Event,
    next_turn_s: float,
    own: Sequence[Event],
) -> None:
    """From a turn's last sample to the answer."""
    end_s = turn.end_s
    silent_s = max((e.end_s for e in own if e.begin_s < end_s < e.end_s), default=end_s)
    answer_s = min((e.begin_s for e in own if e.begin_s >= end_s), default=np.inf)
    over_s = min(answer_s, next_turn_s, silent_s + YIELDS_S)
    user[moments.between(end_s, over_s)] = YIELDS
    decided = moments.between(silent_s + DECISION_S[0], min(over_s, silent_s + DECISION_S[1]))
    _raise(weight, decided, SILENCE_WEIGHT)
    weight[moments.between(end_s, silent_s)] = 0.0  # we talk on: nothing is right
    grace = np.flatnonzero(moments.between(end_s, end_s + GRACE_S))
    weight[grace] *= 0.25 + 0.75 * (moments.at_s[grace] - end_s) / GRACE_S


def _own_labels(
    user: NDArray[np.int64],
    speaking: NDArray[np.bool_],
    moments: _Moments,
    turns: Sequence[Event],
    pauses: Sequence[Event],
) -> NDArray[np.int64]:
    own = np.where(speaking, OWN_GO_ON, OWN_SILENT)
    own[(user == YIELDS) & ~speaking] = OWN_START
    own[(user == INTERRUPTS) & speaking] = OWN_STOP
    for pause in pauses:
        spoken_s = pause.begin_s - max(t.begin_s for t in turns if t.begin <= pause.begin)
        if spoken_s >= LONG_TURN_S:
            first_s, last_s = (pause.begin_s + s for s in BACKCHANNEL_IN_PAUSE_S)
            own[moments.between(first_s, min(last_s, pause.end_s)) & ~speaking] = OWN_BACKCHANNEL
    return own


def _of(events: Sequence[Event], *kinds: EventKind) -> list[Event]:
    return [event for event in events if event.kind in kinds]


def _raise(weight: NDArray[np.float32], where: NDArray[np.bool_], least: float) -> None:
    weight[where] = np.maximum(weight[where], least)
