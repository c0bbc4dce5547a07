"""The cache of verified weights: answer from it, fill it from the sources, check it.

Layout: <cache>/assets/<model>/<asset>/<file>. A file stands there under its own name only after its
sha256 was found right; several processes may ask at once, one of them fetches.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from voiceserver.assets.hashing import Seals, sha256_of
from voiceserver.assets.manifest import Asset, AssetFile, load_manifest
from voiceserver.assets.wheels import locate_with_pip
from voiceserver.config import assets_folder, cache_folder
from voiceserver.errors import AssetError

if TYPE_CHECKING:
    from voiceserver.assets.sources import Sources

RUN = ("run",)


@dataclass(frozen=True)
class Status:
    """One file of a model, and whether the cache holds it."""

    asset: Asset
    file: AssetFile
    path: Path
    present: bool


def resolve(model: str, groups: tuple[str, ...] = RUN, quiet: bool = False) -> dict[str, Path]:
    """Local, verified paths by asset name: the file, or the folder of an asset of several files.

    Fetches what the cache lacks, with progress bars on stderr unless `quiet`.
    """
    manifest = load_manifest(model)
    assets = manifest.of_groups(groups)
    if not all(_complete(model, asset) for asset in assets):
        # Imported here: an engine that restarts has its weights, and need not load an HTTP client.
        from voiceserver.assets.progress import ProgressBars
        from voiceserver.assets.sources import Sources

        with _lock(model), ProgressBars(quiet) as bars:
            downloads = _root(model) / "downloads"
            sources = Sources(manifest.order, assets_folder(), downloads, bars, locate_with_pip)
            for asset in assets:
                _fill(model, asset, sources)
    return {asset.name: _answer(model, asset) for asset in assets}


def is_complete(model: str, groups: tuple[str, ...] = RUN) -> bool:
    """Whether `resolve` would answer from the cache alone."""
    return all(_complete(model, asset) for asset in load_manifest(model).of_groups(groups))


def status(model: str) -> list[Status]:
    """Every file of every group, and whether the cache holds it, by its record (no hashing)."""
    found: list[Status] = []
    for asset in load_manifest(model).assets:
        folder = _folder(model, asset)
        seals = Seals(folder)
        found += [
            Status(asset, file, folder / file.path, seals.known_sha256(file.path) == file.sha256)
            for file in asset.files
        ]
    return found


def verify(model: str) -> list[Status]:
    """Hash every file that is there anew; a wrong one is an AssetError that names it."""
    present = [entry for entry in status(model) if entry.path.exists()]
    for entry in present:
        _check(entry.path, entry.file, entry.asset)
        Seals(_folder(model, entry.asset)).seal(entry.file.path, entry.file.sha256)
    return present


def _fill(model: str, asset: Asset, sources: Sources) -> None:
    """Fetch what is missing of one asset. The caller holds the lock."""
    folder = _folder(model, asset)
    seals = Seals(folder)
    for file in asset.files:
        path = folder / file.path
        if seals.known_sha256(file.path) == file.sha256:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.exists() and sha256_of(path) == file.sha256):
            part = path.with_name(path.name + ".part")
            try:
                sources.fetch(asset, file, part)
                _check(part, file, asset)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        seals.seal(file.path, file.sha256)
    sources.release()


def _check(path: Path, file: AssetFile, asset: Asset) -> None:
    found = sha256_of(path)
    if found != file.sha256:
        raise AssetError(
            f"{asset.name}: {file.path} is not the right file: its sha256 begins {found[:12]}, "
            f"model.toml says {file.sha256[:12]} ({path})"
        )


def _complete(model: str, asset: Asset) -> bool:
    seals = Seals(_folder(model, asset))
    return all(seals.known_sha256(file.path) == file.sha256 for file in asset.files)


def _answer(model: str, asset: Asset) -> Path:
    folder = _folder(model, asset)
    return folder / asset.files[0].path if len(asset.files) == 1 else folder


def _root(model: str) -> Path:
    return cache_folder() / "assets" / model


def _folder(model: str, asset: Asset) -> Path:
    return _root(model) / asset.name


def _lock(model: str) -> FileLock:
    root = _root(model)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AssetError(f"cannot make the cache folder {root}: {error.strerror}") from error
    return FileLock(root / ".lock")
