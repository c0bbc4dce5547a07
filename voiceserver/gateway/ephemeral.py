"""Client secrets, `ek_...`: a key for a browser that ends soon and brings its session's settings.

Nothing is stored: a secret is its contents, encrypted and authenticated with a key made from the
API key, so every server with the same API key takes it. Its holder cannot read what is in it: there
may be keys to other servers, see `tools` of type mcp.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import zlib
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "ek_"
MOST_CHARS = 7000  # proxies take header lines of 8 KiB
_PURPOSE = b"voiceserver client secret, version 2"
_NONCE_BYTES = 12


class SecretRefused(Exception):
    """A client secret that opens nothing; the text says why."""


class SecretTooLong(Exception):
    """More settings than a header can carry."""


class ClientSecrets:
    """Issues secrets and reads them back."""

    def __init__(self, api_key: str | None) -> None:
        """Without an API key the secrets of this process are known to it alone."""
        root = api_key.encode() if api_key is not None else secrets.token_bytes(32)
        self._cipher = AESGCM(hmac.digest(root, _PURPOSE, hashlib.sha256))

    def issue(self, session: dict[str, Any], expires_at: int) -> str:
        """A secret that carries these fields of a session until then; raises SecretTooLong."""
        contents = json.dumps({"expires_at": expires_at, "session": session}, separators=(",", ":"))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, zlib.compress(contents.encode(), 9), None)
        secret = PREFIX + _to_text(nonce + sealed)
        if len(secret) > MOST_CHARS:
            raise SecretTooLong
        return secret

    def read(self, secret: str, now_s: float) -> dict[str, Any]:
        """The session fields of a secret of ours that is still good; raises SecretRefused."""
        try:
            sealed = _from_text(secret.removeprefix(PREFIX))
            opened = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError, binascii.Error):
            raise SecretRefused("This client secret was not issued by this server.") from None
        contents = json.loads(zlib.decompress(opened))
        if now_s >= contents["expires_at"]:
            raise SecretRefused("This client secret has expired.")
        session: dict[str, Any] = contents["session"]
        return session


def _to_text(data: bytes) -> str:
    """Characters that may stand in a header and in a subprotocol's name."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_text(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
