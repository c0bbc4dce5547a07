"""A scene that was played and what came of it, also as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from voiceserver.bench.duplex.measures import (
    NotRun,
    Outcome,
    StopOutcome,
    TurnOutcome,
    judge_stop,
    judge_turn,
)
from voiceserver.bench.duplex.recording import Recording
from voiceserver.scenes.live import TURN_KINDS, SceneKind


@dataclass(frozen=True)
class Played:
    """One scene in front of one server."""

    server: str
    kind: SceneKind
    number: int
    outcome: Outcome | None  # None: it says nothing
    not_run: str  # and why
    seconds: float  # its length
    at: str  # when it was over: UTC, ISO 8601
    load: float | None  # of the machine then
    # for those who look closer: (kind, begin_s, end_s, detail) and (at_s, what the server told)
    events: tuple[tuple[str, float, float, str], ...] = ()
    notices: tuple[tuple[float, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.number}"

    def line(self, beside: Mapping[str, Any]) -> str:
        """One line of JSON, with what else stands `beside` it."""
        facts = asdict(self)
        return json.dumps({"server": facts.pop("server"), **beside, **facts}) + "\n"

    @classmethod
    def from_line(cls, facts: Mapping[str, Any]) -> Played:
        """What `line` wrote, parsed."""
        kind, outcome = cast(SceneKind, facts["kind"]), facts["outcome"]
        return cls(
            server=facts["server"],
            kind=kind,
            number=facts["number"],
            outcome=None if outcome is None else _outcome(kind, outcome),
            not_run=facts["not_run"],
            seconds=facts["seconds"],
            at=facts["at"],
            load=facts["load"],
            events=tuple((what, begin, end, told) for what, begin, end, told in facts["events"]),
            notices=tuple((at_s, told) for at_s, told in facts["notices"]),
        )


def judge(recording: Recording) -> Outcome:
    """What a scene says; raises NotRun if it says nothing."""
    return judge_turn(recording) if recording.kind in TURN_KINDS else judge_stop(recording)


def played(server: str, recording: Recording, at: str, load: float | None) -> Played:
    """The scene as it went, judged."""
    outcome, not_run = None, ""
    try:
        outcome = judge(recording)
    except NotRun as why:
        not_run = str(why)
    return Played(
        server=server,
        kind=recording.kind,
        number=recording.number,
        outcome=outcome,
        not_run=not_run,
        seconds=round(recording.length_s, 3),
        at=at,
        load=load,
        events=tuple(
            (event.kind, round(event.begin_s, 3), round(event.end_s, 3), event.detail)
            for event in recording.events
        ),
        notices=tuple((round(at_s, 3), told) for at_s, told in recording.notices),
    )


def _outcome(kind: SceneKind, facts: Mapping[str, Any]) -> Outcome:
    if kind in TURN_KINDS:
        return TurnOutcome(**facts)
    return StopOutcome(**{**facts, "dips_s": tuple(facts["dips_s"])})
