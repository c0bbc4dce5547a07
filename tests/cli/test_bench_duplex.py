from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from voiceserver.bench.duplex import run
from voiceserver.bench.duplex.book import Book
from voiceserver.bench.duplex.measures import StopOutcome
from voiceserver.bench.duplex.plan import Plan
from voiceserver.bench.duplex.played import Played
from voiceserver.cli.bench_duplex import duplex
from voiceserver.errors import VoiceserverError

USUAL = {
    "scenes": 1,
    "sessions": 1,
    "kinds": "",
    "seed": 0,
    "turn_taking": [],
    "keep": None,
    "minutes": None,
    "timeline": None,
    "scene": "",
    "url": "ws://127.0.0.1:9",
    "as_json": True,
}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"turn_taking": ["energy"]}, "leave out --url"),
        ({"scene": "pause:1"}, "belong together"),
        ({"kinds": "pause,silence"}, "no such kind"),
        ({"keep": Path("k"), "scene": "pause:1", "timeline": Path("t")}, "leave it out"),
        ({"minutes": 0.0}, "nothing to report"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(VoiceserverError, match=words):
        duplex(**(USUAL | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["pause", "pause:x", ":3", "silence:1"])
def test_a_scene_has_a_kind_and_a_number(name: str, tmp_path: object) -> None:
    options = USUAL | {"scene": name, "timeline": f"{tmp_path}/scene.svg"}
    with pytest.raises(VoiceserverError, match=r"is named like pause:3|no such kind"):
        duplex(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("end", "code"), [(KeyboardInterrupt(), 130), (VoiceserverError("the server is gone"), 1)]
)
def test_a_run_that_ends_too_soon_reports_what_there_is_and_a_complete_file_plays_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end: BaseException,
    code: int,
) -> None:
    async def interrupted(url: str, server: str, plan: Plan, book: Book, *rest: object) -> None:
        outcome = StopOutcome("cough", False, None, None, ())
        book.add(Played(server, "noise", 0, outcome, "", 9.0, "2026-11-22T20:00:00Z", 0.5))
        raise end

    monkeypatch.setattr(run, "prepare", lambda told: None)
    monkeypatch.setattr(run, "measure", interrupted)
    options = USUAL | {"kinds": "noise", "keep": tmp_path / "scenes.jsonl"}
    with pytest.raises(typer.Exit) as stopped:
        duplex(**(options | {"scenes": 2}))  # type: ignore[arg-type]
    assert stopped.value.exit_code == code
    monkeypatch.setattr(run, "measure", None)  # would break if it were called
    duplex(**options)  # type: ignore[arg-type]
    duplex(**(options | {"scenes": 2, "minutes": 0.0}))  # type: ignore[arg-type]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["card"]["scenes"] for one in told] == ["1 noise"] * 3
    assert told[0]["machine"]["load"] == 0.5
    assert "2026-11-22 20:00 UTC in a run" in told[0]["card"]["played"]
