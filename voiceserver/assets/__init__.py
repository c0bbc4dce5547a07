"""Weights that are not in the repository: what a model needs, and where the right files come from.

`resolve("nano")` is all that most callers need. It answers from the cache without network or
hashing when everything is there. This package knows files and hashes; what the weights mean is the
engine's business.
"""

from __future__ import annotations

from voiceserver.assets.manifest import Asset, AssetFile, Manifest, load_manifest
from voiceserver.assets.store import RUN, Status, is_complete, resolve, status, verify

__all__ = [
    "RUN",
    "Asset",
    "AssetFile",
    "Manifest",
    "Status",
    "is_complete",
    "load_manifest",
    "resolve",
    "status",
    "verify",
]
