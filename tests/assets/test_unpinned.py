"""Files whose sha256 nobody wrote down: taken on the hub's word once, and held to it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from voiceserver import assets
from voiceserver.cli import models as commands
from voiceserver.errors import AssetError

from .conftest import FileServer, Shelf

WEIGHTS, CONFIG = b"weights " * 500, b"layers: 2\n"
WEIGHTS_PATH, CONFIG_PATH = "/who/what/weights.pth", "/who/what/deep/config.yaml"

MANIFEST = """
name = "far"
family = "nano"
order = ["folder", "hub", "url"]

[[assets]]
name = "mind"
group = "run"
what = "thinks"
licence = "MIT"
origin = "the hub"
hub = { repository = "who/what", revision = "main" }

[[assets.files]]
path = "weights.pth"
unpinned = true

[[assets.files]]
path = "deep/config.yaml"
unpinned = true

[[assets]]
name = "ear"
group = "run"
of_model = "tiny"

[[assets]]
name = "eye"
group = "eye"
what = "sees"
licence = "MIT"
origin = "an address"

[[assets.files]]
path = "eye.bin"
sha256 = "SHA256"
url = "URL/eye.bin"
"""


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def hub(
    shelf: Shelf, file_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FileServer:
    """A hub with the model `far`, which shares the ear of `tiny`; large files announce a sha256."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", file_server.url)
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_url",
        lambda repository, path, revision: f"{file_server.url}/{repository}/{path}",
    )
    file_server.files = {WEIGHTS_PATH: WEIGHTS, CONFIG_PATH: CONFIG, "/eye.bin": b"an eye"}
    file_server.etags = {
        WEIGHTS_PATH: hashlib.sha256(WEIGHTS).hexdigest(),
        CONFIG_PATH: _git_hash(CONFIG),
    }
    manifest = tmp_path / "models" / "far" / "model.toml"
    manifest.parent.mkdir()
    text = MANIFEST.replace("SHA256", hashlib.sha256(b"an eye").hexdigest())
    manifest.write_text(text.replace("URL", file_server.url))
    # The ear comes from a folder, as `far` names no wheels among its sources.
    (tmp_path / "own" / "ear" / "deep").mkdir(parents=True)
    (tmp_path / "own" / "ear" / "ear.bin").write_bytes(b"its ear")
    (tmp_path / "own" / "ear" / "deep" / "config.json").write_bytes(b"{}")
    monkeypatch.setenv("VOICESERVER_ASSETS", str(tmp_path / "own"))
    return file_server


def _replace(hub: FileServer, content: bytes) -> None:
    hub.files[WEIGHTS_PATH] = content
    hub.etags[WEIGHTS_PATH] = hashlib.sha256(content).hexdigest()


def test_what_came_first_is_kept_and_not_asked_for_again(hub: FileServer) -> None:
    assert not assets.is_complete("far")
    folder = assets.resolve("far", quiet=True)["mind"]
    assert (folder / "weights.pth").read_bytes() == WEIGHTS
    assert (folder / "deep" / "config.yaml").read_bytes() == CONFIG
    asked = len(hub.ranges)
    assert assets.is_complete("far")
    assert assets.resolve("far", quiet=True)["mind"] == folder
    assert len(hub.ranges) == asked
    assert len(assets.verify("far")) == 4


@pytest.mark.parametrize("path", [WEIGHTS_PATH, CONFIG_PATH])
def test_what_the_hub_did_not_announce_is_refused(hub: FileServer, path: str) -> None:
    hub.files[path] = b"something else"
    with pytest.raises(AssetError, match=r"what came is not what http\S+ announced"):
        assets.resolve("far", quiet=True)
    assert not assets.is_complete("far")
    hub.files[path] = WEIGHTS if path == WEIGHTS_PATH else CONFIG
    assets.resolve("far", quiet=True)  # nothing of the wrong one was recorded


def test_a_hub_that_announces_nothing_is_refused(hub: FileServer) -> None:
    del hub.etags[WEIGHTS_PATH]
    with pytest.raises(AssetError, match="does not say what"):
        assets.resolve("far", quiet=True)


def test_another_file_under_the_same_name_is_refused_from_then_on(hub: FileServer) -> None:
    path = assets.resolve("far", quiet=True)["mind"] / "weights.pth"
    path.unlink()
    _replace(hub, b"newer weights")
    with pytest.raises(AssetError, match=r"weights\.pth is not the right .*first fetched it was"):
        assets.resolve("far", quiet=True)
    assert not path.exists()
    _replace(hub, WEIGHTS)
    assets.resolve("far", quiet=True)
    assert path.read_bytes() == WEIGHTS


def test_damage_is_found(hub: FileServer) -> None:
    path = assets.resolve("far", quiet=True)["mind"] / "weights.pth"
    path.write_bytes(b"X" + WEIGHTS[1:])
    assert not assets.is_complete("far")
    with pytest.raises(AssetError, match=r"mind: weights\.pth is not the right file"):
        assets.verify("far")
    assets.resolve("far", quiet=True)
    assert path.read_bytes() == WEIGHTS


def test_a_damaged_record_is_no_empty_one(hub: FileServer) -> None:
    folder = assets.resolve("far", quiet=True)["mind"]
    (folder / ".first_fetch.json").write_text("{")
    with pytest.raises(AssetError, match=r"first_fetch\.json is damaged"):
        assets.resolve("far", quiet=True)


def test_a_file_of_the_users_own_counts_as_a_first_fetch(hub: FileServer, tmp_path: Path) -> None:
    own = tmp_path / "own" / "mind"
    own.mkdir()
    (own / "weights.pth").write_bytes(b"weights of my own")
    folder = assets.resolve("far", quiet=True)["mind"]
    assert (folder / "weights.pth").read_bytes() == b"weights of my own"


def test_a_shared_asset_lies_with_its_owner(hub: FileServer) -> None:
    ours = assets.resolve("far", quiet=True)["ear"]
    assert ours == assets.resolve("tiny", ("extra",), quiet=True)["ear"]
    assert ours.parent.name == "tiny"


def test_only_some_are_resolved(hub: FileServer) -> None:
    hub.files.clear()
    assert set(assets.resolve("far", quiet=True, only=("ear",))) == {"ear"}


def test_an_address_gives_a_pinned_file(hub: FileServer) -> None:
    assert assets.resolve("far", ("eye",), quiet=True)["eye"].read_bytes() == b"an eye"
    hub.files["/eye.bin"] = b"another eye"
    path = assets.resolve("far", ("eye",), quiet=True)["eye"]
    path.unlink()
    with pytest.raises(AssetError, match=r"model\.toml says"):
        assets.resolve("far", ("eye",), quiet=True)


def test_the_list_shows_what_files_are_checked_against(
    hub: FileServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")

    def shown() -> dict[str, list[str]]:
        commands.list_models()
        rows = [line.split("│") for line in capsys.readouterr().out.splitlines()]
        return {row[1].strip(): [cell.strip() for cell in row[3:6]] for row in rows if len(row) > 6}

    before = shown()
    assert before["mind"] == ["?", "no", "none yet"]
    assert before["ear"][1:] == ["no", "pinned"]
    assets.resolve("far", quiet=True)
    assert shown()["mind"] == ["?", "yes", "first fetch"]
