"""What was played so far: in memory and, a line a scene, in a file, so that a run can go on later.

Only scenes that were played alike stand in one file: with the same code, settings, seed, sessions
and machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import Any

import voiceserver
import voiceserver_client
from voiceserver.bench.duplex.played import Played
from voiceserver.bench.report import machine_card
from voiceserver.config import ServerConfig, models_folder
from voiceserver.errors import VoiceserverError


@dataclass(frozen=True)
class Circumstances:
    """What scenes must have in common to be counted together."""

    seed: int
    sessions: int
    code: str  # digest of what is measured and of what measures
    settings: str  # digest of the settings in the environment
    cpu: str
    cores: int | None

    def unlike(self, other: Circumstances, *names: str) -> list[str]:
        """In what they differ, of these names."""
        return [name for name in names if getattr(self, name) != getattr(other, name)]


ALL = tuple(field.name for field in fields(Circumstances))
ASKED = ("seed", "sessions")  # by the command: with others it is another measurement


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    began: str  # UTC, ISO 8601
    circumstances: Circumstances
    machine: dict[str, Any]  # `machine_card`

    def beside(self) -> dict[str, Any]:
        """What stands beside each of its scenes."""
        return {"run": self.began, **asdict(self.circumstances), "machine": self.machine}


class Book:
    """`runs` are those that played something, this one the last."""

    def __init__(self, here: Run, file: Path | None = None) -> None:
        self.played: list[Played] = []
        self.runs: list[Run] = []
        self._here, self._file = here, file
        self._torn: bytes | None = None  # what the file should be, without half a line at its end
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.exists():
                self._read(file)

    def of(self, server: str) -> list[Played]:
        return [one for one in self.played if one.server == server]

    def add(self, one: Played) -> None:
        """Kept as soon as it is known."""
        self.played.append(one)
        if self._here not in self.runs:
            self.runs.append(self._here)
        if self._file is not None:
            if self._torn is not None:
                self._file.write_bytes(self._torn)
                self._torn = None
            with self._file.open("a", encoding="utf-8") as out:
                out.write(one.line(self._here.beside()))

    def check_may_go_on(self) -> None:
        """Refuse to play anything beside scenes that were played otherwise."""
        for before in self.runs[:1]:
            self._check(before, self._here, ALL)

    def when(self) -> str:
        """When its scenes were played."""
        at = sorted(one.at for one in self.played)
        runs = "a run" if len(self.runs) == 1 else f"{len(self.runs)} runs"
        commits = ", ".join(dict.fromkeys(str(run.machine["commit"]) for run in self.runs))
        first, last = at[0].replace("T", " ")[:16], at[-1].replace("T", " ")[:16]
        code = self.runs[0].circumstances.code
        return f"{first} to {last} UTC in {runs}, commit {commits}, code {code}"

    def machine(self) -> dict[str, Any]:
        """The machine then, with the median of its load."""
        loads = [one.load for one in self.played if one.load is not None]
        load = round(median(loads), 1) if loads else None
        return {**self.runs[0].machine, "load": load}

    def _read(self, file: Path) -> None:
        text = file.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]  # the last line may not have been written to its end
        if text and not whole:
            raise VoiceserverError(f"{file}: no played scene in it")
        self._torn = whole if whole != text else None
        known: set[tuple[str, str]] = set()
        for number, line in enumerate(whole.decode("utf-8").splitlines(), start=1):
            try:
                facts = json.loads(line)
                run, one = _run(facts), Played.from_line(facts)
            except (ValueError, KeyError, TypeError) as error:
                raise VoiceserverError(f"{file}, line {number}: not a played scene") from error
            self._check(run, self._here, ASKED)
            self._check(self.runs[0] if self.runs else run, run, ALL)
            if run not in self.runs:
                self.runs.append(run)
            if (one.server, one.name) not in known:
                known.add((one.server, one.name))
                self.played.append(one)

    def _check(self, before: Run, now: Run, names: Sequence[str]) -> None:
        then, here = before.circumstances, now.circumstances
        if unlike := then.unlike(here, *names):
            told = ", ".join(
                f"{name} {getattr(then, name)} and not {getattr(here, name)}" for name in unlike
            )
            commits = f"commit {before.machine['commit']}, now {now.machine['commit']}"
            raise VoiceserverError(
                f"{self._file} has scenes played otherwise: {told} ({commits}); name another file"
            )


def this_run(seed: int, sessions: int, began: str) -> Run:
    """As the command runs here and now."""
    machine = machine_card()
    circumstances = Circumstances(
        seed=seed,
        sessions=sessions,
        code=_code(),
        settings=_settings(),
        cpu=machine["cpu"],
        cores=machine["cores"],
    )
    return Run(began, circumstances, machine)


def _run(facts: dict[str, Any]) -> Run:
    circumstances = Circumstances(**{name: facts[name] for name in ALL})
    return Run(facts["run"], circumstances, facts["machine"])


def _code() -> str:
    """Digest of all sources and of what is known of the models; our own weights among it."""
    sources = [Path(module.__file__ or "").parent for module in (voiceserver, voiceserver_client)]
    digest = hashlib.sha256()
    for folder in (*sources, models_folder()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in (".pyc", ".md"):
                digest.update(f"{path.relative_to(folder)}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _settings() -> str:
    """Digest of what a server is told by the environment, but for secrets and its address."""
    told = replace(
        ServerConfig.from_environment(), api_key=None, twilio_auth_token=None, host="", port=0
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]
