"""`X-Twilio-Signature`: HMAC-SHA1 of the URL and the sorted form fields, by the auth token."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit, urlunsplit

from starlette.requests import HTTPConnection

HEADER = "x-twilio-signature"
_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
Fields = Iterable[tuple[str, str]]


def signature(auth_token: str, url: str, fields: Fields = ()) -> str:
    """The signature of a request to this URL with these form fields."""
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    digest = hmac.digest(auth_token.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()


def signed(
    connection: HTTPConnection, auth_token: str, public_url: str | None, fields: Fields = ()
) -> bool:
    """Whether a request was signed by who knows the token."""
    given = connection.headers.get(HEADER, "").encode()
    fields = list(fields)
    try:
        urls = list(_spellings(requested_url(connection, public_url)))
    except ValueError:  # a Host header that is none
        return False
    return any(
        hmac.compare_digest(signature(auth_token, url, fields).encode(), given) for url in urls
    )


def requested_url(connection: HTTPConnection, public_url: str | None) -> str:
    """The URL as the caller's side sees it: of the public address if one is configured.

    Behind a proxy the Host and X-Forwarded-Proto headers say it. Whoever forges them only spoils
    their own signature.
    """
    scope = connection.scope  # not connection.url, which stumbles over Host headers that are none
    query = scope["query_string"].decode("latin-1")
    path = scope["path"] + (f"?{query}" if query else "")
    if public_url is not None:
        address = urlsplit(public_url)
        secure, place = address.scheme in {"https", "wss"}, address.netloc
        path = address.path.rstrip("/") + path
    else:
        forwarded = connection.headers.get("x-forwarded-proto", scope["scheme"])
        secure = forwarded.split(",")[0].strip() in {"https", "wss"}
        place = connection.headers.get("host", "localhost")
    socket = scope["type"] == "websocket"
    scheme = ("ws" if socket else "http") + ("s" if secure else "")
    return f"{scheme}://{place}{path}"


def _spellings(url: str) -> Iterator[str]:
    """The URL with and without its port, and for sockets with a slash at its end: all are seen."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    places = {parts.netloc, host, f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"}
    paths = {parts.path, parts.path + "/"} if parts.scheme in {"ws", "wss"} else {parts.path}
    for place in sorted(places):
        for path in sorted(paths):
            yield urlunsplit((parts.scheme, place, path, parts.query, ""))
