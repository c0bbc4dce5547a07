from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from voiceserver.assets.manifest import load_manifest, parse_manifest
from voiceserver.errors import AssetError

from .conftest import MANIFEST, Shelf


def test_the_real_manifest_names_what_the_engine_asks_for() -> None:
    manifest = load_manifest("nano")
    run = {asset.name for asset in manifest.of_groups(("run",))}
    assert run == {"thinker", "listener", "vad", "turn_end"}
    assert all(file.wheel for asset in manifest.assets for file in asset.files)
    assert all(asset.hub is None or len(asset.hub.revision) == 40 for asset in manifest.assets)


def test_mini_omnis_files_are_pinned_or_say_that_they_are_not() -> None:
    for model in ("mini-omni", "mini-omni2"):
        manifest = load_manifest(model)
        assert manifest.family == "mini_omni"
        assets = {asset.name: asset for asset in manifest.of_groups(("run",))}
        assert set(assets) == {"language", "whisper", "snac", "vad", "turn_end"}
        pinned = {name for name, asset in assets.items() if all(f.pinned for f in asset.files)}
        assert pinned == {"whisper", "vad", "turn_end"}
        assert assets["vad"] == replace(load_manifest("nano").of_groups(("run",))[2], group="run")
        # What nobody pinned must come from the hub, which says what it should be.
        assert all(assets[name].hub for name in set(assets) - pinned)


def test_another_models_asset_is_found_beside(shelf: Shelf, tmp_path: Path) -> None:
    entry = '[[assets]]\nname = "{}"\ngroup = "run"\nof_model = "{}"\n'
    (tmp_path / "models" / "big").mkdir()
    path = tmp_path / "models" / "big" / "model.toml"
    path.write_text('name = "big"\nfamily = "nano"\n' + entry.format("ear", "tiny"))
    (ear,) = parse_manifest(path).assets
    assert (ear.name, ear.model, ear.group, len(ear.files)) == ("ear", "tiny", "run", 2)
    path.write_text('name = "big"\nfamily = "nano"\n' + entry.format("nose", "tiny"))
    with pytest.raises(AssetError, match=r"big/model\.toml: model tiny has no asset nose"):
        parse_manifest(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('sha256 = "', 'sha256 = "zz', "not 64 hexadecimal digits"),
        ('path = "brain.bin"', 'path = "../brain.bin"', "leads out of"),
        ('path = "brain.bin"', 'path = "/brain.bin"', "leads out of"),
        ("brain-one==1.0:", "brain-one:", "package==version:path"),
        ('"folder", "wheel"', '"folder", "ftp"', "unknown source ftp"),
        ('licence = "MIT"', "", "licence is missing"),
        ("sha256 = ", "comment = ", "sha256 is missing"),
        ("sha256 = ", "unpinned = true\nsha256 = ", "says that it has none"),
        ('name = "tiny"', "name = ", "model.toml"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "model.toml"
    path.write_text(MANIFEST.replace(old, new, 1))
    with pytest.raises(AssetError, match=complaint):
        parse_manifest(path)
