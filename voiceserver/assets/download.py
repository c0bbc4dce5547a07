"""Fetch one URL into a file; taken up again after a cut, even by a later process."""

from __future__ import annotations

import shutil
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import httpx

from voiceserver.errors import AssetError

CONNECT_S = 10.0
READ_S = 60.0
ATTEMPTS = 5
BACKOFF_S = 1.0  # doubles at each attempt that brought nothing

# Told how many bytes are there, and how many there will be (0: not known).
Progress = Callable[[int, int], None]


def download(url: str, target: Path, progress: Progress, backoff_s: float = BACKOFF_S) -> None:
    """Bring `url` to `target`; what is half done lies beside it as `target` + ".part"."""
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    address = urlsplit(url)
    if address.scheme == "file":
        _copy(Path(url2pathname(unquote(address.path))), part, progress)
    else:
        _download_http(url, part, progress, backoff_s)
    part.replace(target)


def system_certificates() -> ssl.SSLContext:
    """The system's certificate store, so that a company's own authority is known."""
    return ssl.create_default_context()


def _copy(source: Path, part: Path, progress: Progress) -> None:
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        raise AssetError(f"{source}: {error.strerror}") from error
    progress(part.stat().st_size, part.stat().st_size)


def _download_http(url: str, part: Path, progress: Progress, backoff_s: float) -> None:
    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    failures = 0
    with httpx.Client(
        verify=system_certificates(), timeout=timeout, follow_redirects=True
    ) as client:
        while True:
            before = _size(part)
            try:
                return _take_up(client, url, part, progress)
            except httpx.HTTPStatusError as error:
                code = error.response.status_code
                raise AssetError(f"{_shown(url)}: the server answered {code}") from error
            except httpx.HTTPError as error:
                failures = 1 if _size(part) > before else failures + 1
                if failures >= ATTEMPTS:
                    raise AssetError(f"{_shown(url)}: {error or type(error).__name__}") from error
                time.sleep(backoff_s * 2 ** (failures - 1))


def _take_up(client: httpx.Client, url: str, part: Path, progress: Progress) -> None:
    """One request for what is still missing."""
    have = _size(part)
    headers = {"Range": f"bytes={have}-"} if have else {}
    headers["Accept-Encoding"] = "identity"  # byte positions must be those of the file
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it was there already
            part.unlink()
            raise httpx.ReadError("the file on the server is not the one begun earlier")
        response.raise_for_status()
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        have = have if resumed else 0
        total = have + int(response.headers.get("Content-Length", 0))
        with part.open("ab" if resumed else "wb") as file:
            for piece in response.iter_raw():
                file.write(piece)
                have += len(piece)
                progress(have, max(total, have))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _shown(url: str) -> str:
    """The address without user name and password, which an index's URL may carry."""
    address = urlsplit(url)
    return f"{address.scheme}://{address.hostname}{address.path}"
