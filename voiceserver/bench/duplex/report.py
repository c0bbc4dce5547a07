"""The measures of one or several servers, side by side, with the goals beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from voiceserver.bench.duplex.figures import Figure, per_minute, quantile_ms, rate
from voiceserver.bench.duplex.measures import Outcome, StopOutcome, TurnOutcome, gaps_of
from voiceserver.bench.report import Goal, Report
from voiceserver.scenes.live import KINDS, SceneKind

DISTURBANCES: tuple[SceneKind, ...] = ("backchannel", "noise", "echo", "background", "aside")
THROAT = ("cough", "cleared throat", "sneeze")
# At most: the goals, a share to be reached written as the share that may be missed.
GOALS: Mapping[str, float] = {
    "takeover in pauses": 10,
    "turn ends missed": 2,
    "response latency, median": 600,
    "interruption: stop latency, median": 300,
    "interruption: stop latency, 95 %": 500,
    "interruptions not stopped": 3,
    "false stop: backchannel": 5,
    "false stop: noise": 5,
    "false stop: noise, of them coughs": 5,
    "false stop: echo": 5,
}


@dataclass
class Results:
    """All scenes of one server."""

    server: str
    outcomes: dict[SceneKind, list[Outcome]] = field(default_factory=dict)
    not_run: dict[SceneKind, list[str]] = field(default_factory=dict)  # "echo:3: why"
    seconds: float = 0.0  # of scenes

    def turns(self, *kinds: SceneKind) -> list[TurnOutcome]:
        found = [outcome for kind in kinds for outcome in self.outcomes.get(kind, [])]
        return [outcome for outcome in found if isinstance(outcome, TurnOutcome)]

    def stops(self, *kinds: SceneKind) -> list[StopOutcome]:
        found = [outcome for kind in kinds for outcome in self.outcomes.get(kind, [])]
        return [outcome for outcome in found if isinstance(outcome, StopOutcome)]


def figures(results: Results) -> dict[str, Figure]:
    """Every measure of the kinds that were played."""
    found: dict[str, Figure] = {}
    if paused := results.turns("pause"):
        found["takeover in pauses"] = rate(sum(t.early for t in paused), len(paused))
        any_sound = sum(t.sounds_early for t in paused)
        found["any sound in pauses"] = rate(any_sound, len(paused))
    if turns := results.turns("pause", "turn_end"):
        answered = sum(t.answered for t in turns)
        found["takeover at turn ends"] = rate(answered, len(turns))
        found["turn ends missed"] = rate(len(turns) - answered, len(turns))
        latencies = [t.latency_s for t in turns if t.latency_s is not None]
        found["response latency, median"] = quantile_ms(latencies, 0.5)
        found["response latency, 90 %"] = quantile_ms(latencies, 0.9)
        backchannels = sum(t.acknowledgements for t in turns)
        found["assistant's backchannels"] = per_minute(
            backchannels, sum(t.turn_s for t in turns), len(turns)
        )
    if interrupted := results.stops("interruption"):
        stops = [s.stop_s for s in interrupted if s.stop_s is not None]
        found["interruption: stop latency, median"] = quantile_ms(stops, 0.5)
        found["interruption: stop latency, 95 %"] = quantile_ms(stops, 0.95)
        found["interruptions not stopped"] = rate(len(interrupted) - len(stops), len(interrupted))
        answers = [s.answer_s for s in interrupted if s.answer_s is not None]
        found["interruptions answered"] = rate(len(answers), len(interrupted))
        found["interruption: response latency, median"] = quantile_ms(answers, 0.5)
    for kind in DISTURBANCES:
        found |= _false_stops(kind, results.stops(kind))
    return found


def _false_stops(kind: SceneKind, outcomes: Sequence[StopOutcome]) -> dict[str, Figure]:
    if not outcomes:
        return {}
    found = {f"false stop: {kind}": rate(sum(s.stopped for s in outcomes), len(outcomes))}
    if kind == "noise":
        coughs = [s for s in outcomes if s.detail in THROAT]
        hits = sum(s.stopped for s in coughs)
        found["false stop: noise, of them coughs"] = rate(hits, len(coughs))
    dipped = sum(bool(s.dips_s) and not s.stopped for s in outcomes)
    found[f"dips: {kind}"] = rate(dipped, len(outcomes))
    found[f"dips: {kind}, length, median"] = quantile_ms(gaps_of(outcomes), 0.5)
    return found


def report(results: Sequence[Results], sessions: int, seed: int) -> Report:
    """A column a server; goals are judged for the first."""
    measured = [figures(one) for one in results]
    names = [name for name in measured[0] if name != "turn ends missed"]
    played = {kind: len(results[0].outcomes[kind]) for kind in KINDS if kind in results[0].outcomes}
    found = Report(
        title="duplex",
        what="scenes with held-out voices, texts and noises over the socket; times are of what the "
        "user heard; 95 % intervals (rates: Wilson, quantiles: bootstrap); a takeover is a reply "
        "of a second or more, or of more than three words",
        headings=("measure", *(one.server for one in results), "unit", "scenes"),
        card={
            "scenes": ", ".join(f"{count} {kind}" for kind, count in played.items()),
            "sessions at once": str(sessions),
            "seed": str(seed),
        },
    )
    for name in names:
        columns = [one[name].shown() if name in one else None for one in measured]
        figure = measured[0][name]
        found.rows.append((name, *columns, figure.unit, figure.count))
    for kind in played:
        lost = [len(one.not_run.get(kind, [])) for one in results]
        if any(lost):
            found.rows.append((f"not run: {kind}", *map(str, lost), "", None))
    for name, at_most in GOALS.items():
        if name in measured[0]:
            figure = measured[0][name]
            found.goals.append(Goal(name, figure.value, at_most, figure.unit))
    found.numbers = {
        "seed": seed,
        "sessions": sessions,
        "servers": {
            one.server: {
                "seconds": round(one.seconds, 1),
                "figures": {name: figure.numbers() for name, figure in numbers.items()},
                "not_run": {kind: why for kind, why in one.not_run.items() if why},
            }
            for one, numbers in zip(results, measured, strict=True)
        },
    }
    return found
