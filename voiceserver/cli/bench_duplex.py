"""`voiceserver bench duplex`: turn-taking on scenes with known event times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from voiceserver.cli.options import Json, Url, progress
from voiceserver.cli.own_server import server_at
from voiceserver.errors import VoiceserverError

if TYPE_CHECKING:
    from voiceserver.bench.duplex.book import Book
    from voiceserver.bench.duplex.plan import Plan
    from voiceserver.scenes.live import SceneKind


def add_to(app: typer.Typer) -> None:
    app.command()(duplex)


def duplex(
    scenes: int = typer.Option(100, min=1, help="Scenes of each kind."),
    sessions: int = typer.Option(3, min=1, help="Scenes played at once."),
    kinds: str = typer.Option("", help="Which kinds, separated by commas; else all."),
    seed: int = typer.Option(0, min=0, help="Other seeds give other scenes."),
    turn_taking: list[str] = typer.Option(
        [], help="Measure an own server with `serve --turn-taking` this; may be repeated."
    ),
    keep: Path | None = typer.Option(
        None,
        help="JSON lines: each scene played is added at once, and those that are there already "
        "are not played again. With all of them there only the report is printed.",
    ),
    minutes: float | None = typer.Option(
        None, min=0.0, help="Begin no scene after so many minutes; 0: report what --keep has."
    ),
    timeline: Path | None = typer.Option(None, help="Draw a scene into this SVG file."),
    scene: str = typer.Option("", help="With --timeline: which scene, like pause:3; only it runs."),
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Who speaks when: takeovers, latencies, stops, false stops."""
    if url is not None and turn_taking:
        raise VoiceserverError("--turn-taking is for a server of our own: leave out --url")
    if bool(scene) != (timeline is not None):
        raise VoiceserverError("--timeline FILE and --scene KIND:NUMBER belong together")
    if timeline is not None:
        if keep is not None:
            raise VoiceserverError("--keep is for outcomes: leave it out with --timeline")
        kind, number = _named(scene)
        with server_at(url, 1, _options(turn_taking[:1])) as server:
            _draw(server.url, kind, number, seed, timeline)
        return
    from voiceserver.bench.duplex.book import Book, this_run
    from voiceserver.bench.duplex.plan import Plan
    from voiceserver.bench.duplex.report import report
    from voiceserver.bench.duplex.run import now

    plan = Plan(tuple(_kinds(kinds)), scenes, sessions, seed)
    book = Book(this_run(seed, sessions, now()), keep)
    servers = {name or url or "as it is served": name for name in turn_taking or [""]}
    exit_code = _play(plan, book, url, servers, minutes)
    results = [plan.results(called, book.of(called)) for called in servers if book.of(called)]
    if not results:
        raise VoiceserverError("no scene was played: there is nothing to report")
    found = report(results, sessions, seed)
    found.card["played"], found.machine = book.when(), book.machine()
    found.show(as_json)
    if exit_code:
        raise typer.Exit(exit_code)


def _play(
    plan: Plan, book: Book, url: str | None, servers: Mapping[str, str], minutes: float | None
) -> int:
    """Play what is due to each of the servers, called so, with so named turn-taking.

    The command's exit code: what was played before an end too soon is still to be reported.
    """
    from voiceserver.bench.duplex.run import measure, prepare

    if minutes == 0 or not any(plan.due(book.of(called)) for called in servers):
        return 0
    book.check_may_go_on()
    try:
        prepare(progress)
        end_s = None if minutes is None else time.monotonic() + 60 * minutes

        def over() -> bool:
            return end_s is not None and time.monotonic() >= end_s

        for called, name in servers.items():
            if over() or not plan.due(book.of(called)):
                continue
            # a slot more: the next scene may come before the last one's is free again
            with server_at(url, plan.sessions + 1, _options([name] if name else [])) as server:
                asyncio.run(measure(server.url, called, plan, book, progress, over))
    except KeyboardInterrupt:
        return 130
    except VoiceserverError as error:
        if not book.played:
            raise
        progress(str(error))
        return 1
    return 0


def _options(turn_taking: Sequence[str]) -> list[str]:
    return [word for name in turn_taking for word in ("--turn-taking", name)]


def _kinds(named: str) -> list[SceneKind]:
    """In their usual order; all if none is named."""
    from voiceserver.scenes.live import KINDS

    wanted = {name.strip() for name in named.split(",")} if named else set(KINDS)
    if wanted - set(KINDS):
        raise VoiceserverError(f"no such kind of scene: {named}; there are {', '.join(KINDS)}")
    return [kind for kind in KINDS if kind in wanted]


def _named(scene: str) -> tuple[SceneKind, int]:
    kind, _, number = scene.partition(":")
    if not kind or not number.isdecimal():
        raise VoiceserverError(f"--scene {scene}: a scene is named like pause:3")
    return _kinds(kind)[0], int(number)


def _draw(url: str, kind: SceneKind, number: int, seed: int, file: Path) -> None:
    from voiceserver.bench.duplex.measures import NotRun
    from voiceserver.bench.duplex.played import judge
    from voiceserver.bench.duplex.player import play
    from voiceserver.bench.duplex.timeline import picture
    from voiceserver.scenes.live import scene

    recording = asyncio.run(play(url, scene(kind, number, seed)))
    try:
        outcome = str(judge(recording))
    except NotRun as why:
        outcome = f"did not run: {why}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(picture(recording, f"{recording.name}, seed {seed}"), encoding="utf-8")
    progress(outcome)
    print(file)
