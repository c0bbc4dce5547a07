"""The cache of verified weights: answer from it, fill it from the sources, check it.

Layout: <cache>/assets/<model>/<asset>/<file>. A file stands there under its own name only after its
sha256 was found right; several processes may ask at once, one of them fetches. A file that
model.toml gives no sha256 is recorded when it is first fetched, and must stay what it was then.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from voiceserver.assets.hashing import FirstFetches, Seals, sha256_of
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
    expected: str | None  # sha256; None: not pinned, and never fetched here


def resolve(
    model: str,
    groups: tuple[str, ...] = RUN,
    quiet: bool = False,
    only: Collection[str] | None = None,
) -> dict[str, Path]:
    """Local, verified paths by asset name: the file, or the folder of an asset of several files.

    Fetches what the cache lacks, with progress bars on stderr unless `quiet`. `only` names the
    assets wanted, where not all of the groups' are.
    """
    manifest = load_manifest(model)
    assets = [a for a in manifest.of_groups(groups) if only is None or a.name in only]
    if not all(_complete(asset) for asset in assets):
        # Imported here: an engine that restarts has its weights, and need not load an HTTP client.
        from voiceserver.assets.progress import ProgressBars
        from voiceserver.assets.sources import Sources

        with _lock(model), ProgressBars(quiet) as bars:
            downloads = _root(model) / "downloads"
            sources = Sources(manifest.order, assets_folder(), downloads, bars, locate_with_pip)
            for asset in assets:
                with nullcontext() if asset.model == model else _lock(asset.model):
                    _fill(asset, sources)
    return {asset.name: _answer(asset) for asset in assets}


def is_complete(model: str, groups: tuple[str, ...] = RUN) -> bool:
    """Whether `resolve` would answer from the cache alone."""
    return all(_complete(asset) for asset in load_manifest(model).of_groups(groups))


def status(model: str) -> list[Status]:
    """Every file of every group, and whether the cache holds it, by its record (no hashing)."""
    found: list[Status] = []
    for asset in load_manifest(model).assets:
        folder = _folder(asset)
        seals, firsts = Seals(folder), FirstFetches(folder)
        for file in asset.files:
            expected = file.sha256 or firsts.sha256(file.path)
            present = expected is not None and seals.known_sha256(file.path) == expected
            found.append(Status(asset, file, folder / file.path, present, expected))
    return found


def verify(model: str) -> list[Status]:
    """Hash every file that is there anew; a wrong one is an AssetError that names it."""
    present = [e for e in status(model) if e.expected is not None and e.path.exists()]
    for entry in present:
        found = _check(entry.path, entry.file, entry.asset)
        Seals(_folder(entry.asset)).seal(entry.file.path, found)
    return present


def _fill(asset: Asset, sources: Sources) -> None:
    """Fetch what is missing of one asset. The caller holds the lock."""
    folder = _folder(asset)
    seals, firsts = Seals(folder), FirstFetches(folder)
    for file in asset.files:
        path = folder / file.path
        expected = file.sha256 or firsts.sha256(file.path)
        if expected is not None and seals.known_sha256(file.path) == expected:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if expected is None or not path.exists() or sha256_of(path) != expected:
            part = path.with_name(path.name + ".part")
            try:
                sources.fetch(asset, file, part)
                expected = _check(part, file, asset)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        seals.seal(file.path, expected)
    sources.release()


def _check(path: Path, file: AssetFile, asset: Asset) -> str:
    """The sha256 of a file that is right; what comes first of an unpinned one is recorded."""
    found = sha256_of(path)
    firsts = FirstFetches(_folder(asset))
    expected = file.sha256 or firsts.sha256(file.path)
    if expected is None:
        firsts.record(file.path, found)
    elif found != expected:
        wanted = f"model.toml says {expected[:12]}"
        if not file.pinned:
            wanted = f"when it was first fetched it was {expected[:12]} ({firsts.path} has that)"
        raise AssetError(
            f"{asset.name}: {file.path} is not the right file: its sha256 begins {found[:12]}, "
            f"{wanted} ({path})"
        )
    return found


def _complete(asset: Asset) -> bool:
    folder = _folder(asset)
    seals, firsts = Seals(folder), FirstFetches(folder)
    known = [seals.known_sha256(file.path) for file in asset.files]
    wanted = [file.sha256 or firsts.sha256(file.path) for file in asset.files]
    return None not in known and known == wanted


def _answer(asset: Asset) -> Path:
    folder = _folder(asset)
    return folder / asset.files[0].path if len(asset.files) == 1 else folder


def _root(model: str) -> Path:
    return cache_folder() / "assets" / model


def _folder(asset: Asset) -> Path:
    return _root(asset.model) / asset.name


def _lock(model: str) -> FileLock:
    root = _root(model)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AssetError(f"cannot make the cache folder {root}: {error.strerror}") from error
    return FileLock(root / ".lock")
