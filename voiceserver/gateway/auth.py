"""Who may connect: one API key, taken from wherever the known clients put it."""

from __future__ import annotations

import hmac

from starlette.requests import HTTPConnection

SUBPROTOCOL = "realtime"
_KEY_SUBPROTOCOL = "openai-insecure-api-key."  # browsers cannot set headers on a WebSocket


def offered_subprotocols(connection: HTTPConnection) -> list[str]:
    """The subprotocols the client offers. May hold a secret: never log it."""
    header = connection.headers.get("sec-websocket-protocol", "")
    return [name.strip() for name in header.split(",") if name.strip()]


def accepted_subprotocol(connection: HTTPConnection) -> str | None:
    """Exactly one of those offered, or none."""
    return SUBPROTOCOL if SUBPROTOCOL in offered_subprotocols(connection) else None


def presented_keys(connection: HTTPConnection) -> list[str]:
    """Every key the client shows: bearer token, Azure's header, query, browser subprotocol."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    keys = [token.strip()] if scheme.lower() == "bearer" else []
    keys.append(connection.headers.get("api-key", ""))
    keys.append(connection.query_params.get("api_key", ""))
    for name in offered_subprotocols(connection):
        if name.startswith(_KEY_SUBPROTOCOL):
            keys.append(name.removeprefix(_KEY_SUBPROTOCOL))
    return [key for key in keys if key]


def authorised(connection: HTTPConnection, api_key: str | None) -> bool:
    """Whether the client may use this server. Without a configured key everybody may."""
    if api_key is None:
        return True
    expected = api_key.encode()
    return any(hmac.compare_digest(key.encode(), expected) for key in presented_keys(connection))
