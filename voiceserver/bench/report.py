"""How a bench prints: a card of what is measured and on what, a table, one JSON line last."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """A number measured, and what it should be at most."""

    name: str
    value: float | None
    at_most: float
    unit: str

    @property
    def met(self) -> bool:
        return self.value is not None and self.value <= self.at_most


@dataclass
class Report:
    """What one bench found."""

    title: str
    what: str  # how it was measured, in a sentence or two
    headings: tuple[str, ...]
    rows: list[Sequence[object]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    card: dict[str, str] = field(default_factory=dict)  # what is known before measuring
    machine: dict[str, Any] | None = None  # None: this one, as it is now

    def show(self, as_json: bool, out: Path | None = None) -> None:
        """Print it all; with `as_json` only the JSON line. Keep that line in the folder `out`."""
        machine = self.machine or machine_card()
        if not as_json:
            self._show_card_and_table(machine)
        goals = {goal.name: {"value": goal.value, "at_most": goal.at_most} for goal in self.goals}
        card = {"card": self.card} if self.card else {}
        facts = {"bench": self.title, **card, **self.numbers, "goals": goals, "machine": machine}
        print(json.dumps(facts), flush=True)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            text = json.dumps(facts, indent=1) + "\n"
            (out / self._file_name(machine)).write_text(text, encoding="utf-8")

    def _file_name(self, machine: dict[str, Any]) -> str:
        device = self.card.get("device", "cpu").split(",")[0]
        name = f"{machine['date']}-{device}-{self.title}".lower()
        return re.sub(r"[^a-z0-9]+", "-", name).strip("-") + ".json"

    def _show_card_and_table(self, machine: dict[str, Any]) -> None:
        console = Console(highlight=False)
        console.print(f"[bold]{self.title}[/]: {self.what}")
        console.print(f"[dim]{', '.join(str(value) for value in machine.values())}[/]")
        for name, value in self.card.items():
            console.print(f"  {name}: {value}", markup=False)
        table = Table(*self.headings)
        table.columns[0].no_wrap = True
        for row in self.rows:
            table.add_row(*(_shown(cell) for cell in row))
        console.print(table)
        for goal in self.goals:
            mark = "[green]met[/]" if goal.met else "[red]missed[/]"
            value = "nothing measured" if goal.value is None else f"{goal.value:.1f} {goal.unit}"
            console.print(f"{goal.name}: {value}, goal {goal.at_most:g} {goal.unit}: {mark}")


def machine_card() -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "torch": version("torch"),
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share lies; None of nothing."""
    return round(float(np.quantile(values, share)), 1) if values else None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:.0f}" if isinstance(cell, float) else str(cell)
