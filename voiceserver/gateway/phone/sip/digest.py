"""Digest access authentication (RFC 7616, for SIP RFC 8760): the answer to a challenge."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable

_FIELD = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}


def credentials(challenge: str, method: str, uri: str, user: str, password: str) -> str | None:
    """The Authorization for a WWW-Authenticate; None for a kind of challenge not known here."""
    scheme, _, rest = challenge.partition(" ")
    asked = {name.lower(): quoted or bare for name, quoted, bare in _FIELD.findall(rest)}
    algorithm = asked.get("algorithm", "MD5")
    hashed = _HASHES.get(algorithm.upper())
    qops = asked.get("qop", "").replace(" ", "").split(",")
    if scheme.lower() != "digest" or hashed is None or not ({"", "auth"} & set(qops)):
        return None
    nonce, realm = asked.get("nonce", ""), asked.get("realm", "")

    def h(text: str) -> str:
        return hashed(text.encode("utf-8", "surrogateescape"))

    secret, what = h(f"{user}:{realm}:{password}"), h(f"{method}:{uri}")
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
    bare = f", algorithm={algorithm}"
    if "auth" in qops:
        once = secrets.token_hex(8)
        fields |= {"cnonce": once, "response": h(f"{secret}:{nonce}:00000001:{once}:auth:{what}")}
        bare += ", qop=auth, nc=00000001"
    else:
        fields["response"] = h(f"{secret}:{nonce}:{what}")
    if "opaque" in asked:
        fields["opaque"] = asked["opaque"]
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items()) + bare
