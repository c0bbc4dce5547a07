from __future__ import annotations

from pathlib import Path

import pytest

from voiceserver.assets.manifest import load_manifest, parse_manifest
from voiceserver.errors import AssetError

from .conftest import MANIFEST


def test_the_real_manifest_names_what_the_engine_asks_for() -> None:
    manifest = load_manifest("nano")
    run = {asset.name for asset in manifest.of_groups(("run",))}
    assert run == {"thinker", "listener", "vad", "turn_end"}
    assert all(file.wheel for asset in manifest.assets for file in asset.files)
    assert all(asset.hub is None or len(asset.hub.revision) == 40 for asset in manifest.assets)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('sha256 = "', 'sha256 = "zz', "not 64 hexadecimal digits"),
        ('path = "brain.bin"', 'path = "../brain.bin"', "leads out of"),
        ('path = "brain.bin"', 'path = "/brain.bin"', "leads out of"),
        ("brain-one==1.0:", "brain-one:", "package==version:path"),
        ('"folder", "wheel"', '"folder", "ftp"', "unknown source ftp"),
        ('licence = "MIT"', "", "licence is missing"),
        ('name = "tiny"', "name = ", "model.toml"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "model.toml"
    path.write_text(MANIFEST.replace(old, new, 1))
    with pytest.raises(AssetError, match=complaint):
        parse_manifest(path)
