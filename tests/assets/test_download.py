from __future__ import annotations

from pathlib import Path

import pytest

from voiceserver.assets.download import ATTEMPTS, download
from voiceserver.errors import AssetError

from .conftest import FileServer

CONTENT = bytes(range(256)) * 4000


def _quiet(done_bytes: int, total_bytes: int) -> None:
    assert done_bytes <= total_bytes


def _fetch(url: str, target: Path) -> bytes:
    download(url, target, _quiet, backoff_s=0.0)
    return target.read_bytes()


def test_a_cut_download_goes_on_where_it_stopped(file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/f"] = CONTENT
    file_server.cuts = [700_000, 200_000]
    assert _fetch(f"{file_server.url}/f", tmp_path / "f") == CONTENT
    assert file_server.ranges == [None, "bytes=700000-", "bytes=900000-"]


def test_a_later_process_takes_up_what_an_earlier_one_left(
    file_server: FileServer, tmp_path: Path
) -> None:
    file_server.files["/f"] = CONTENT
    (tmp_path / "f.part").write_bytes(CONTENT[:1000])
    assert _fetch(f"{file_server.url}/f", tmp_path / "f") == CONTENT
    assert file_server.ranges == ["bytes=1000-"]


def test_a_complete_part_is_not_fetched_again(file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/f"] = CONTENT
    (tmp_path / "f.part").write_bytes(CONTENT)
    assert _fetch(f"{file_server.url}/f", tmp_path / "f") == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(
    file_server: FileServer, tmp_path: Path
) -> None:
    file_server.files["/f"] = CONTENT
    (tmp_path / "f.part").write_bytes(CONTENT + b"more")
    assert _fetch(f"{file_server.url}/f", tmp_path / "f") == CONTENT


def test_a_server_without_ranges_starts_over(file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/f"] = CONTENT
    file_server.honours_ranges = False
    (tmp_path / "f.part").write_bytes(b"something else")
    assert _fetch(f"{file_server.url}/f", tmp_path / "f") == CONTENT


def test_progress_ends_at_the_whole_file(file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/f"] = CONTENT
    seen: list[tuple[int, int]] = []
    download(f"{file_server.url}/f", tmp_path / "f", lambda *both: seen.append(both))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_it_gives_up_when_nothing_more_comes(file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/f"] = CONTENT
    file_server.cuts = [0] * 99
    with pytest.raises(AssetError, match=r"/f: .+"):
        _fetch(f"{file_server.url}/f", tmp_path / "f")
    assert len(file_server.ranges) == ATTEMPTS
    assert not (tmp_path / "f").exists()


def test_what_is_not_there_is_said_without_trying_again(
    file_server: FileServer, tmp_path: Path
) -> None:
    with pytest.raises(AssetError, match="the server answered 404"):
        _fetch(f"{file_server.url}/missing", tmp_path / "f")
    assert len(file_server.ranges) == 1


def test_a_local_address_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "a folder" / "f+1.whl"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    assert _fetch(source.as_uri(), tmp_path / "f") == CONTENT
    with pytest.raises(AssetError, match="No such file"):
        _fetch((tmp_path / "nothing").as_uri(), tmp_path / "g")


def test_secrets_in_an_address_are_not_shown(file_server: FileServer, tmp_path: Path) -> None:
    url = file_server.url.replace("http://", "http://user:secret@") + "/missing?token=secret"
    with pytest.raises(AssetError) as caught:
        _fetch(url, tmp_path / "f")
    assert "secret" not in str(caught.value)
