"""`model.toml` as frozen dataclasses. Reads and checks the text; fetches nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from voiceserver.config import models_folder
from voiceserver.errors import AssetError

SOURCES = ("folder", "hub", "wheel")

_PART = re.compile(r"(?P<package>[\w.-]+)==(?P<version>[\w.+!-]+):(?P<member>.+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class WheelPart:
    """One member of one wheel; a file may be several of them joined."""

    package: str
    version: str
    member: str

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"


@dataclass(frozen=True)
class Hub:
    """A model-hub repository at a pinned revision; files have the same paths there as here."""

    repository: str
    revision: str


@dataclass(frozen=True)
class AssetFile:
    path: str  # below the asset's own folder, with forward slashes
    size_bytes: int
    sha256: str
    wheel: tuple[WheelPart, ...]


@dataclass(frozen=True)
class Asset:
    name: str
    group: str
    what: str
    licence: str
    origin: str
    hub: Hub | None
    files: tuple[AssetFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class Manifest:
    name: str
    family: str
    order: tuple[str, ...]
    assets: tuple[Asset, ...]

    def of_groups(self, groups: tuple[str, ...]) -> tuple[Asset, ...]:
        """The assets of these groups; an unknown group is an error, not an empty answer."""
        known = {asset.group for asset in self.assets}
        if unknown := set(groups) - known:
            raise AssetError(
                f"model {self.name} has no asset group {', '.join(sorted(unknown))} "
                f"(it has {', '.join(sorted(known))})"
            )
        return tuple(asset for asset in self.assets if asset.group in groups)


def model_names() -> list[str]:
    """Models that have a folder with a model.toml."""
    return sorted(path.parent.name for path in models_folder().glob("*/model.toml"))


def load_manifest(model: str) -> Manifest:
    """Read a model's model.toml."""
    path = models_folder() / model / "model.toml"
    if model not in model_names():
        raise AssetError(f"no model named {model} (there is {', '.join(model_names())})")
    return parse_manifest(path)


def parse_manifest(path: Path) -> Manifest:
    """Read one model.toml; anything missing or misspelt is an AssetError that names the file."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        order = tuple(str(source) for source in data.get("order", SOURCES))
        assets = tuple(_asset(entry) for entry in data.get("assets", ()))
        if unknown := set(order) - set(SOURCES):
            raise ValueError(f"unknown source {', '.join(sorted(unknown))}")
        return Manifest(str(data["name"]), str(data["family"]), order, assets)
    except KeyError as error:
        raise AssetError(f"{path}: {error.args[0]} is missing") from error
    except (OSError, ValueError) as error:
        raise AssetError(f"{path}: {error}") from error


def _asset(entry: Mapping[str, Any]) -> Asset:
    hub = entry.get("hub")
    return Asset(
        name=str(entry["name"]),
        group=str(entry["group"]),
        what=str(entry["what"]),
        licence=str(entry["licence"]),
        origin=str(entry["origin"]),
        hub=Hub(str(hub["repository"]), str(hub["revision"])) if hub else None,
        files=tuple(_file(file) for file in entry["files"]),
    )


def _file(entry: Mapping[str, Any]) -> AssetFile:
    path, sha256 = PurePosixPath(str(entry["path"])), str(entry["sha256"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"path {path} leads out of the asset's folder")
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"sha256 of {path} is not 64 hexadecimal digits")
    parts = tuple(_part(str(part)) for part in entry.get("wheel", ()))
    return AssetFile(str(path), int(entry["bytes"]), sha256, parts)


def _part(text: str) -> WheelPart:
    match = _PART.fullmatch(text)
    if match is None:
        raise ValueError(f'wheel source "{text}" is not of the form package==version:path')
    return WheelPart(match["package"], match["version"], match["member"])
