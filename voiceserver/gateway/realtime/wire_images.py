"""Images in the messages of users: of which kinds, how long, and how they are shown again."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Literal
from urllib.parse import urlsplit

from voiceserver.engine.images import Image
from voiceserver.errors import ClientError

Wire = dict[str, Any]

MOST_IMAGE_BYTES = 4 * 2**20
MOST_URL_CHARS = 2048  # of an address
_DATA = re.compile(r"data:image/(png|jpeg|jpg|webp|gif);base64,", re.IGNORECASE)
_BEGINNINGS = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "jpg": (b"\xff\xd8\xff",),
    "webp": (b"RIFF",),
    "gif": (b"GIF87a", b"GIF89a"),
}


def read_image(url: str | None, detail: Literal["auto", "low", "high"] | None, param: str) -> Image:
    """An image that a client shows; raises ClientError that names the field."""
    if url is None:
        message = f"Missing required parameter: '{param}'."
        raise ClientError(message, code="missing_required_parameter", param=param)
    if reason := _wrong(url):
        message = f"Invalid value for '{param}': {reason}."
        raise ClientError(message, code="invalid_value", param=param)
    return Image(url, detail)


def _wrong(url: str) -> str:
    """What is the matter with an image's URL; nothing, if it can be read."""
    if url[:5].lower() != "data:":
        return "" if _is_https(url) else "it must be a data URL or an https URL"
    head = _DATA.match(url)
    if head is None:
        return "a data URL must hold a PNG, JPEG, WebP or GIF image in base64"
    if len(url) - head.end() > MOST_IMAGE_BYTES * 4 // 3 + 4:
        return f"an image may have at most {MOST_IMAGE_BYTES // 2**20} MiB"
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        return "not valid base64"
    kind = head[1].lower()
    return "" if data.startswith(_BEGINNINGS[kind]) else f"that is no {kind.upper()} image"


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return len(url) <= MOST_URL_CHARS and parts.scheme == "https" and bool(parts.hostname)


def image_fields(image: Image | None, whole: bool) -> Wire:
    """An image as the client sees it; one inside its URL only if it is to be `whole`."""
    if image is None:
        return {}
    shown = whole or image.url[:5].lower() != "data:"
    fields: Wire = {"image_url": image.url} if shown else {}
    return fields | ({} if image.detail is None else {"detail": image.detail})
