"""A run of scenes that is stopped and continued. The scenes are stand-ins that nobody plays."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceserver.bench.duplex import run
from voiceserver.bench.duplex.book import Book, Circumstances, Run, this_run
from voiceserver.bench.duplex.plan import SPARE, Plan
from voiceserver.bench.duplex.recording import Happening, Heard, Recording
from voiceserver.bench.duplex.report import report
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.errors import VoiceserverError
from voiceserver.scenes.live import TURN_KINDS, SceneKind

HERE = Run("first", Circumstances(0, 2, "c0de", "set", "a CPU", 2), {"commit": "abc", "load": 9})
KINDS: tuple[SceneKind, ...] = ("pause", "noise", "interruption")
PLAN = Plan(KINDS, 4, 2, 0)


def _recording(kind: SceneKind, number: int) -> Recording:
    """Half of a second after its event it is answered, stopped, or nothing: by the number."""
    chance = (number * 7 + len(kind)) % 5
    event = Happening("turn" if kind in TURN_KINDS else kind, 1.0, 2.0, "words")
    heard = np.zeros(8 * WIRE_RATE_HZ, np.float32)
    piece = (2.2 + chance / 10, 6.0) if kind in TURN_KINDS else (0.2, 2.0 + chance)
    heard[round(piece[0] * WIRE_RATE_HZ) : round(piece[1] * WIRE_RATE_HZ)] = 0.2
    reply = Heard("r", [piece], [("word", 0.0)], received_s=piece[1] - piece[0])
    recording = Recording(kind, number, [event], heard, heard, [reply])
    recording.notices = [(1.5, "speech stopped")]
    if chance == 3:
        recording.failure = "the call broke"
    return recording


class StandIn:
    """In place of `scene` and `play`; a run is broken off when so many were begun."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.begun: list[tuple[SceneKind, int]] = []
        self._end = 0
        patch.setattr(run, "scene", lambda kind, number, seed: (kind, number))
        patch.setattr(run, "play", self._play)
        patch.setattr(run, "check_answers", self._check_answers)

    def piece(self, plan: Plan, book: Book, scenes: int) -> None:
        self._end = len(self.begun) + scenes

        async def cut_off() -> None:
            self._task = asyncio.create_task(run.measure("", "ours", plan, book, lambda line: None))
            with suppress(asyncio.CancelledError):
                await self._task

        asyncio.run(cut_off())

    async def _check_answers(self, url: str) -> None:
        """The server is still there."""

    async def _play(self, url: str, made: Any) -> Recording:
        kind, number = made
        self.begun.append(made)
        if len(self.begun) == self._end:
            self._task.cancel()
        for _ in range(1 + number * 3 % 4):  # not in the order in which they began
            await asyncio.sleep(0)
        return _recording(kind, number)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return StandIn(monkeypatch)


def _told(plan: Plan, book: Book) -> dict[str, Any]:
    found = report([plan.results("ours", book.of("ours"))], plan.sessions, plan.seed)
    return {"card": found.card, "rows": found.rows, "goals": found.goals, "all": found.numbers}


@settings(max_examples=40, deadline=None)
@given(
    pieces=st.lists(st.integers(1, 9), max_size=8),
    sessions=st.integers(1, 4),
    scenes=st.integers(1, 5),
)
def test_however_a_run_is_cut_the_report_is_the_same(
    pieces: list[int], sessions: int, scenes: int
) -> None:
    plan = Plan(KINDS, scenes, sessions, 0)
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        stand_in, whole, file = StandIn(patch), Book(HERE), Path(folder) / "scenes.jsonl"
        stand_in.piece(plan, whole, 1000)
        for number, piece in enumerate([*pieces, 1000]):
            stand_in.piece(plan, Book(replace(HERE, began=str(number)), file), piece)
        again = Book(HERE, file)
        assert not plan.due(again.of("ours"))
        assert _told(plan, again) == _told(plan, whole)
        assert sorted(one.name for one in again.played) == sorted(o.name for o in whole.played)


def test_kinds_take_turns_and_lost_scenes_are_made_good(stand_in: StandIn) -> None:
    plan, book = Plan(KINDS, 4, 1, 0), Book(HERE)
    stand_in.piece(plan, book, 1000)
    assert stand_in.begun[:6] == [(kind, number) for number in (0, 1) for kind in KINDS]
    results = plan.results("ours", book.of("ours"))
    assert [len(results.outcomes[kind]) for kind in KINDS] == [4, 4, 4]
    assert sum(map(len, results.not_run.values())) == len(book.played) - 12 > 0


def test_a_kind_that_never_runs_is_given_up(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(url: str, made: Any) -> Recording:
        kind, number = made
        return Recording(kind, number, failure="the call broke")

    monkeypatch.setattr(run, "play", broken)
    book = Book(HERE)
    stand_in.piece(PLAN, book, 1000)
    assert len(book.played) == SPARE * PLAN.scenes * len(KINDS)
    assert not PLAN.due(book.played)


def test_all_that_is_known_of_a_scene_is_in_its_line(stand_in: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "scenes.jsonl"
    book = Book(HERE, file)
    stand_in.piece(PLAN, book, 1000)
    again = Book(HERE, file)
    assert again.played == book.played
    assert again.runs == [HERE]
    assert again.played[0].notices == ((1.5, "speech stopped"),)
    assert "in a run, commit abc, code c0de" in again.when()


def test_a_longer_run_goes_on_from_a_shorter_one(stand_in: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "scenes.jsonl"
    stand_in.piece(Plan(KINDS, 2, 2, 0), Book(HERE, file), 1000)
    before = Book(HERE, file)
    stand_in.piece(PLAN, Book(HERE, file), 1000)
    after, whole = Book(HERE, file), Book(HERE)
    stand_in.piece(PLAN, whole, 1000)
    assert after.played[: len(before.played)] == before.played
    assert _told(PLAN, after) == _told(PLAN, whole)
    assert _told(Plan(KINDS, 2, 2, 0), after) == _told(Plan(KINDS, 2, 2, 0), before)


def test_a_line_cut_short_is_played_again(stand_in: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "scenes.jsonl"
    stand_in.piece(PLAN, Book(HERE, file), 6)
    text = file.read_bytes()
    file.write_bytes(text[:-30])
    cut = Book(HERE, file)
    assert file.read_bytes() == text[:-30]  # nothing is written before there is something to add
    assert len(cut.played) == len(text.splitlines()) - 1
    stand_in.piece(PLAN, cut, 1000)
    assert not PLAN.due(Book(HERE, file).played)


def _elsewhere(**change: Any) -> Run:
    return replace(HERE, circumstances=replace(HERE.circumstances, **change))


@pytest.mark.parametrize(
    ("name", "value"), [("code", "d0e"), ("settings", "x"), ("cpu", "another"), ("cores", 64)]
)
def test_scenes_played_otherwise_are_reported_but_not_gone_on_with(
    stand_in: StandIn, tmp_path: Path, name: str, value: object
) -> None:
    file = tmp_path / "scenes.jsonl"
    stand_in.piece(PLAN, Book(HERE, file), 1000)
    other = Book(_elsewhere(**{name: value}), file)
    assert not PLAN.due(other.played)
    with pytest.raises(VoiceserverError, match=rf"played otherwise: {name}.*another file"):
        other.check_may_go_on()
    Book(HERE, file).check_may_go_on()


def test_a_file_of_another_measurement_or_of_two_is_refused(
    stand_in: StandIn, tmp_path: Path
) -> None:
    file, other = tmp_path / "scenes.jsonl", tmp_path / "other.jsonl"
    stand_in.piece(PLAN, Book(HERE, file), 3)
    for change in ({"seed": 1}, {"sessions": 1}):
        with pytest.raises(VoiceserverError, match=f"{next(iter(change))} .* and not"):
            Book(_elsewhere(**change), file)
    stand_in.piece(PLAN, Book(_elsewhere(code="d0e"), other), 3)
    file.write_text(file.read_text() + other.read_text())
    with pytest.raises(VoiceserverError, match="code c0de and not d0e"):
        Book(HERE, file)


@pytest.mark.parametrize("text", ["half a line", "[]\n", '{"kind": "pause"}\n', "\n"])
def test_other_files_are_refused_and_left_alone(text: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text)
    with pytest.raises(VoiceserverError, match="played scene"):
        Book(HERE, file)
    assert file.read_text() == text


def test_a_setting_of_the_environment_is_another_circumstance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("VOICESERVER_TURN_TAKING", raising=False)
    first = this_run(0, 1, "now").circumstances
    monkeypatch.setenv("PORT", "9")
    monkeypatch.setenv("VOICESERVER_API_KEY", "secret")
    assert this_run(0, 1, "later").circumstances == first
    monkeypatch.setenv("VOICESERVER_TURN_TAKING", "energy")
    second = this_run(0, 1, "now").circumstances
    assert second.settings != first.settings
    assert replace(second, settings=first.settings) == first
