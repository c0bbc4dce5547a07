"""What became of every client, kept over runs: one JSON line a client, and a table of them all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voiceserver.bench.report import machine_card

STEPS = ("spoken", "typed", "interruption", "tool")
NOT_THERE = "not in this client"
Verdict = dict[str, Any]


def is_good(verdict: Verdict) -> bool:
    """Whether the client did all that it can do."""
    results = verdict["results"]
    return all(step in results for step in STEPS) and set(results.values()) <= {"ok", NOT_THERE}


def with_card(verdict: Verdict, engine: str) -> Verdict:
    """A verdict with what it depends on."""
    card = machine_card()
    kept = {name: card[name] for name in ("cpu", "cores", "commit", "date")}
    return verdict | {"model": engine} | kept


def write(path: Path, verdicts: Sequence[Verdict], order: Sequence[str]) -> None:
    """Put these verdicts in the place of older ones of the same clients; write lines and table.

    `order` is that of the clients in the table; a client that it lacks is gone from the suite.
    """
    lines = path.with_suffix(".jsonl")
    known: dict[str, Verdict] = {}
    if lines.is_file():
        known = {kept["name"]: kept for kept in map(json.loads, lines.read_text().splitlines())}
    known |= {verdict["name"]: verdict for verdict in verdicts}
    kept = [known[name] for name in order if name in known]
    lines.write_text("".join(json.dumps(verdict) + "\n" for verdict in kept))
    path.write_text(f"{INTRODUCTION}\n\n{table(kept)}\n{_notes(kept)}")


INTRODUCTION = """\
# Stock clients against a real server

Written by `make conformance` (`python tests/conformance/run.py --write FILE [NAME ...]`; a run of
some clients leaves the rows of the others). Each client is the published package, unmodified, in an
environment of its own; it talks to `voiceserver serve` with the model named: its ears, its
turn-taking, its voice. What is said is written by rule (tests/conformance/thinker.py), so that
tools get called.

- spoken: a question in a synthetic voice is transcribed, and a spoken answer heard.
- typed: text is answered in speech.
- interruption: the user speaks into a long story; it stops, and the user is answered.
- tool: the client's function is called with the right arguments, and its result is spoken.
- also: what only some clients do. Pipecat detects turns itself (local turns), LiveKit reconnects
  every so often and replays the conversation (reconnect), GPT-Live hands work over to the
  application (client delegation)."""


def table(verdicts: Sequence[Verdict]) -> str:
    """Markdown."""
    rows = [f"| client | versions | {' | '.join(STEPS)} | also | model | commit, date, machine |"]
    rows.append("|---" * (5 + len(STEPS)) + "|")
    for verdict in verdicts:
        versions = ", ".join(f"{name} {number}" for name, number in verdict["versions"].items())
        results = verdict["results"]
        also = ", ".join(f"{k}: {v}" for k, v in results.items() if k not in STEPS)
        told = (*(results.get(step, "not tried") for step in STEPS), also)
        cells = (result.replace("|", "/").replace("\n", " ") for result in told)
        where = f"{verdict['commit']}, {verdict['date']}, {verdict['cores']} x {verdict['cpu']}"
        row = (verdict["client"], versions, *cells, verdict["model"], where)
        rows.append(f"| {' | '.join(row)} |")
    return "\n".join(rows)


def _notes(verdicts: Sequence[Verdict]) -> str:
    notes = [f"- {v['client']}: {v['note']}" for v in verdicts if v.get("note")]
    return "\n" + "\n".join(notes) + "\n" if notes else ""
