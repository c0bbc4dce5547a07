"""sha256 of a file, and the record that spares hashing 300 MB at every start."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from voiceserver.errors import AssetError

_MARKER = ".verified.json"
_FIRST = ".first_fetch.json"


def sha256_of(path: Path) -> str:
    """sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_etag(path: Path, etag: str) -> bool:
    """Whether a file is what a hub's etag says: a sha256, or git's hash of a blob."""
    if len(etag) == 64:
        return sha256_of(path) == etag
    content = path.read_bytes()
    blob = b"blob %d\0" % len(content) + content
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == etag


@dataclass(frozen=True)
class _Seal:
    """How a file looked when it was last hashed; any change makes its hash unknown again."""

    sha256: str
    size_bytes: int
    mtime_ns: int


class Seals:
    """Hashes found earlier for the files of one folder, kept in the folder itself."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _MARKER
        self._folder = folder
        self._seals: dict[str, _Seal] = {}
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            self._seals = {name: _Seal(*values) for name, values in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return  # no record, or not one of ours: the files are hashed again

    def known_sha256(self, name: str) -> str | None:
        """The file's hash, if it is there and unchanged since it was sealed."""
        seal = self._seals.get(name)
        try:
            stat = (self._folder / name).stat()
        except OSError:
            return None
        unchanged = seal and (seal.size_bytes, seal.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
        return seal.sha256 if seal and unchanged else None

    def seal(self, name: str, sha256: str) -> None:
        """Remember the hash just computed for this file."""
        stat = (self._folder / name).stat()
        self._seals[name] = _Seal(sha256, stat.st_size, stat.st_mtime_ns)
        content = {
            key: [seal.sha256, seal.size_bytes, seal.mtime_ns] for key, seal in self._seals.items()
        }
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(content, indent=1), encoding="utf-8")
        new.replace(self._path)


class FirstFetches:
    """The sha256 that files without a pinned one had when they were first fetched."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FIRST
        self._found: dict[str, str] = {}
        if self.path.exists():
            try:
                stored = json.loads(self.path.read_text(encoding="utf-8"))
                self._found = {str(name): str(sha256) for name, sha256 in stored.items()}
            except (OSError, ValueError, AttributeError) as error:
                # Not taken for an empty record: anything would then be accepted.
                raise AssetError(f"{self.path} is damaged; delete it to fetch anew") from error

    def sha256(self, name: str) -> str | None:
        """None while the file has never been fetched."""
        return self._found.get(name)

    def record(self, name: str, sha256: str) -> None:
        """Remember what came; from now on it must be this."""
        self._found[name] = sha256
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self._found, indent=1), encoding="utf-8")
        new.replace(self.path)
