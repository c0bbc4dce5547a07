"""What a recording says, as Full-Duplex-Bench defines it: takeovers, latencies, stops.

A takeover is a reply that the user heard, unless it had no words or was shorter than a second with
at most three words. All times are of what was heard, not of what was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceserver.bench.duplex.recording import Happening, Heard, Recording

SHORT_S, FEW_WORDS = 1.0, 3  # below both a reply takes nobody's turn
ACKNOWLEDGING_WORDS = 2  # at most so many, and short: the assistant's own backchannel
ANSWER_WITHIN_S = 4.0
STOP_WITHIN_S = 1.5  # after the sound that may have stopped the assistant
SILENT_STOP_S = 1.0  # so long without sound is a stop, whatever the server calls it
SHORTEST_DIP_S = 0.06
_NATURAL_END_S = 0.5


class NotRun(Exception):
    """The scene did not go as planned, so that it says nothing."""


@dataclass(frozen=True)
class TurnOutcome:
    """A turn of the user's: `pause` and `turn_end` scenes."""

    pauses: int
    early: bool  # a takeover began before the user's last word was over
    sounds_early: bool  # anything at all was heard before that
    answered: bool  # a takeover began within ANSWER_WITHIN_S after the last word, or went on then
    latency_s: float | None  # from the last word's end to the first sound of an answer after it
    acknowledgements: int  # "mm-hm" of the assistant's during the turn
    turn_s: float


@dataclass(frozen=True)
class StopOutcome:
    """Something was heard while the assistant spoke."""

    detail: str
    stopped: bool
    stop_s: float | None  # from the first sample of it to the assistant's last
    answer_s: float | None  # from its end to the first sound of another reply
    dips_s: tuple[float, ...]  # silences after which the same reply went on


Outcome = TurnOutcome | StopOutcome


def is_takeover(seconds: float, words: int | None) -> bool:
    """`words`: None when the server gives no transcript."""
    if words is None:
        return seconds >= SHORT_S
    return words > 0 and not (seconds < SHORT_S and words <= FEW_WORDS)


def judge_turn(recording: Recording) -> TurnOutcome:
    """Did the assistant wait for the end, and how soon did it answer?"""
    _check(recording)
    turn = recording.events[0]
    pauses = sum(event.kind == "pause" for event in recording.events)
    early, answered, acknowledgements, sounds_early = False, False, 0, False
    latency_s: float | None = None
    for reply in recording.replies:
        span = recording.audible(reply)
        if span is None or span[0] < turn.begin_s:
            continue
        begins_early = span[0] < turn.end_s
        takes_over = is_takeover(span[1] - span[0], _words(recording, reply))
        sounds_early = sounds_early or begins_early
        early = early or (begins_early and takes_over)
        if begins_early and not takes_over:
            few = len(reply.words_heard()) <= ACKNOWLEDGING_WORDS
            acknowledgements += few and not reply.cut  # what was cut is an answer taken back
        if takes_over and turn.end_s < span[1] and span[0] <= turn.end_s + ANSWER_WITHIN_S:
            answered = True
            if not begins_early and latency_s is None:
                latency_s = span[0] - turn.end_s
    turn_s = turn.end_s - turn.begin_s
    return TurnOutcome(pauses, early, sounds_early, answered, latency_s, acknowledgements, turn_s)


def judge_stop(recording: Recording) -> StopOutcome:
    """Did the assistant go on speaking, and if not, how soon did it fall silent?"""
    _check(recording)
    event = recording.events[0]
    reply = _spoken_over(recording, event)
    until_s = event.end_s + STOP_WITHIN_S
    span = recording.audible(reply)
    assert span is not None, "it was heard when the event came"
    cut = reply.cut and reply.done_s is not None and event.begin_s <= reply.done_s <= until_s
    silent_s = recording.length_s - span[1]
    fell_silent = not reply.status and span[1] <= until_s and silent_s >= SILENT_STOP_S
    flushed = reply.flushed_s is not None and event.begin_s <= reply.flushed_s <= until_s
    stopped = (
        cut
        or fell_silent
        or (reply.flushed_s is not None and flushed and span[1] <= reply.flushed_s)
    )
    if not stopped and reply.status and span[1] < event.end_s + _NATURAL_END_S:
        raise NotRun("the reply was over too soon")
    dips = [
        end - begin
        for begin, end in reply.gaps()
        if event.begin_s <= begin <= until_s and end - begin >= SHORTEST_DIP_S
    ]
    return StopOutcome(
        detail=event.detail,
        stopped=stopped,
        stop_s=max(0.0, span[1] - event.begin_s) if stopped else None,
        answer_s=_answer_s(recording, reply, event),
        dips_s=tuple(dips),
    )


def _check(recording: Recording) -> None:
    if recording.failure:
        raise NotRun(recording.failure)
    if not recording.events:
        raise NotRun("it ended before it began")


def _spoken_over(recording: Recording, event: Happening) -> Heard:
    """The reply that was heard before the event began and after."""
    for reply in recording.replies:
        span = recording.audible(reply)
        if span is None or not span[0] < event.begin_s:
            continue
        if any(end > event.begin_s for _, end in reply.pieces):
            return reply
    early = any(reply.cut for reply in recording.replies)
    raise NotRun("the reply was cut before" if early else "the assistant was not speaking")


def _answer_s(recording: Recording, stopped: Heard, event: Happening) -> float | None:
    begins = [
        span[0]
        for reply in recording.replies
        if reply is not stopped and (span := recording.audible(reply)) and span[0] > event.begin_s
    ]
    return max(0.0, min(begins) - event.end_s) if begins else None


def _words(recording: Recording, reply: Heard) -> int | None:
    """How many were heard; None when this server tells no words of any reply."""
    if not any(other.words for other in recording.replies):
        return None
    return len(reply.words_heard())


def gaps_of(outcomes: Sequence[StopOutcome]) -> list[float]:
    """All dips of the replies that were not stopped."""
    return [dip for outcome in outcomes if not outcome.stopped for dip in outcome.dips_s]
