"""What simple rules over the forecasts would have done in dialogues with known events.

A take is speaking up: allowed after a turn's end, wrong in a pause. A stop is falling silent while
we speak: wanted at an interruption, wrong at anything else. Times count from the event's sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.scenes.stage import TURNS, Event

Floats = NDArray[np.float32]
Fired = NDArray[np.bool_]  # [T]: a rule would act after these windows

WINDOW_S = VAD_WINDOW_SAMPLES / LISTEN_RATE_HZ
JUDGED_S = 1.0  # an end counts if nothing answers it for so long
EARLY_S = 0.15  # so much before its last sample a turn may be taken
LATE_S = 0.3  # a stop so long after a sound is still its fault
LEAST_OWN_S = 0.8  # an interruption counts if we could be heard to go on for so long


@dataclass
class Takes:
    """How a rule for speaking up did."""

    delays_s: list[float] = field(default_factory=list)  # of ends that were taken
    ends: int = 0
    pauses: int = 0
    taken_pauses: int = 0
    cut_words: int = 0  # taken while a word was being said

    @property
    def pause_percent(self) -> float:
        return 100 * self.taken_pauses / max(1, self.pauses)

    @property
    def end_percent(self) -> float:
        return 100 * len(self.delays_s) / max(1, self.ends)


@dataclass
class Stops:
    """How a rule for falling silent did, by what was heard."""

    delays_s: dict[str, list[float]] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)

    def percent(self, kind: str) -> float:
        return 100 * len(self.delays_s.get(kind, [])) / max(1, self.heard.get(kind, 0))


def held(values: NDArray[np.bool_], windows: int) -> Fired:
    """True where it has been true for so many windows in a row."""
    counted = np.lib.stride_tricks.sliding_window_view(
        np.concatenate([np.zeros(windows - 1, bool), values]), windows
    )
    return np.asarray(counted.all(axis=1), bool)


def count_takes(takes: Takes, events: Sequence[Event], fired: Fired) -> None:
    """Add a dialogue. A rule counts once between two voices: the first firing is the take."""
    own = [e for e in events if e.kind == "own"]
    for event in events:
        if event.kind == "pause" and not _any_own(own, event.begin_s - 0.3, event.end_s):
            takes.pauses += 1
            takes.taken_pauses += _first(fired, event.begin_s - EARLY_S, event.end_s) is not None
        elif event.kind in TURNS and not _any_own(own, event.end_s - 0.3, event.end_s + JUDGED_S):
            if not _silent_after(events, event, JUDGED_S, len(fired)):
                continue
            takes.ends += 1
            at_s = _first(fired, event.end_s - EARLY_S, event.end_s + JUDGED_S)
            if at_s is not None:
                takes.delays_s.append(at_s - event.end_s)


def count_stops(stops: Stops, events: Sequence[Event], fired: Fired) -> None:
    """Add a dialogue: what happened while we spoke, and whether the rule would have stopped us."""
    own = [e for e in events if e.kind == "own"]
    for kind, begin_s, end_s in _over_us(events, own):
        until_s = begin_s + JUDGED_S if kind == "interruption" else end_s + LATE_S
        if until_s > len(fired) * WINDOW_S:
            continue
        stops.heard[kind] = stops.heard.get(kind, 0) + 1
        at_s = _first(fired, begin_s, until_s)
        if at_s is not None:
            stops.delays_s.setdefault(kind, []).append(at_s - begin_s)
    quiet = _first_alone(events, own, fired)
    stops.heard["alone"] = stops.heard.get("alone", 0) + len(own)
    stops.delays_s.setdefault("alone", []).extend([0.0] * quiet)


def _over_us(events: Sequence[Event], own: Sequence[Event]) -> Iterator[tuple[str, float, float]]:
    """Sounds that begin while we speak and would go on: kind, begin, end of both in seconds."""
    for event in events:
        if event.kind not in ("interruption", "backchannel", "aside", "noise", "broadcast"):
            continue
        for speech in own:
            # An interruption ends our speech in the dialogue itself, so little is asked of it.
            long_s = min(LEAST_OWN_S, event.end_s - event.begin_s)
            needed_s = 0.2 if event.kind == "interruption" else long_s
            if speech.begin_s + 0.2 <= event.begin_s <= speech.end_s - needed_s:
                yield event.kind, event.begin_s, min(event.end_s, speech.end_s)


def _first_alone(events: Sequence[Event], own: Sequence[Event], fired: Fired) -> int:
    """How many of our speeches the rule would stop while nothing else is heard."""
    alone = np.zeros(len(fired), bool)
    for speech in own:
        alone[_place(speech.begin_s, len(fired)) : _place(speech.end_s, len(fired))] = True
    for event in events:
        if event.kind not in ("own", "pause", "filler"):
            last = _place(event.end_s + LATE_S, len(fired))
            alone[_place(event.begin_s, len(fired)) : last] = False
    stopped = 0
    for speech in own:
        span = slice(_place(speech.begin_s, len(fired)), _place(speech.end_s, len(fired)))
        stopped += bool((fired & alone)[span].any())
    return stopped


def _first(fired: Fired, begin_s: float, end_s: float) -> float | None:
    """When a rule first fires between two moments."""
    first, last = _place(begin_s, len(fired)), _place(end_s, len(fired))
    found = np.flatnonzero(fired[first:last])
    return float((first + found[0] + 1) * WINDOW_S) if len(found) else None


def _place(moment_s: float, windows: int) -> int:
    """The first window that ends after a moment."""
    return min(max(0, int(np.floor(moment_s / WINDOW_S))), windows)


def _any_own(own: Sequence[Event], begin_s: float, end_s: float) -> bool:
    return any(e.begin_s < end_s and e.end_s > begin_s for e in own)


def _silent_after(events: Sequence[Event], turn: Event, seconds: float, windows: int) -> bool:
    if turn.end_s + seconds > windows * WINDOW_S:
        return False
    return not any(e is not turn and turn.end_s < e.begin_s < turn.end_s + seconds for e in events)


Rule = Callable[[int], Fired]  # number of the dialogue -> where it acts


def takes_of(dialogues: Sequence[Sequence[Event]], rule: Rule) -> Takes:
    takes = Takes()
    for number, events in enumerate(dialogues):
        count_takes(takes, events, rule(number))
    return takes


def stops_of(dialogues: Sequence[Sequence[Event]], rule: Rule) -> Stops:
    stops = Stops()
    for number, events in enumerate(dialogues):
        count_stops(stops, events, rule(number))
    return stops
