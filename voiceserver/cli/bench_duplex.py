"""`voiceserver bench duplex`: turn-taking on scenes with known event times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from voiceserver.bench.server import server_at
from voiceserver.errors import VoiceserverError

if TYPE_CHECKING:
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
    timeline: Path | None = typer.Option(None, help="Draw a scene into this SVG file."),
    scene: str = typer.Option("", help="With --timeline: which scene, like pause:3; only it runs."),
    url: str | None = typer.Option(None, help="Server, like ws://host:8000; else one is started."),
    as_json: bool = typer.Option(False, "--json", help="Print only the JSON line."),
) -> None:
    """Who speaks when: takeovers, latencies, stops, false stops."""
    if url is not None and turn_taking:
        raise VoiceserverError("--turn-taking is for a server of our own: leave out --url")
    if bool(scene) != (timeline is not None):
        raise VoiceserverError("--timeline FILE and --scene KIND:NUMBER belong together")
    if timeline is not None:
        kind, number = _named(scene)
        with server_at(url, 1, _options(turn_taking[:1])) as server:
            _draw(server.url, kind, number, seed, timeline)
        return
    from voiceserver.bench.duplex.report import report
    from voiceserver.bench.duplex.run import measure, prepare

    chosen = _kinds(kinds)
    prepare(_progress)
    results = []
    for name in turn_taking or [""]:
        # a slot more: the next scene may come before the last one's is free again
        with server_at(url, sessions + 1, _options([name] if name else [])) as server:
            called = name or url or "as it is served"
            results.append(
                asyncio.run(measure(server.url, called, chosen, scenes, sessions, seed, _progress))
            )
    report(results, sessions, seed).show(as_json)


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
    from voiceserver.bench.duplex.player import play
    from voiceserver.bench.duplex.run import judge
    from voiceserver.bench.duplex.timeline import picture
    from voiceserver.scenes.live import scene

    recording = asyncio.run(play(url, scene(kind, number, seed)))
    try:
        outcome = str(judge(recording))
    except NotRun as why:
        outcome = f"did not run: {why}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(picture(recording, f"{recording.name}, seed {seed}"), encoding="utf-8")
    _progress(outcome)
    print(file)


def _progress(line: str) -> None:
    Console(stderr=True, highlight=False).print(line, style="dim", markup=False)
