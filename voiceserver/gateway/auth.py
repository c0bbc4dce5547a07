"""Who may connect: by the API key or a client secret, from wherever the known clients put it."""

from __future__ import annotations

import base64
import hmac
from typing import Any

from starlette.requests import HTTPConnection

from voiceserver.gateway.ephemeral import PREFIX, ClientSecrets, SecretRefused

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
    """Every key the client shows: bearer token, password, header, query, browser subprotocol."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    keys = [token.strip()] if scheme.lower() == "bearer" else []
    if scheme.lower() == "basic":  # Asterisk's way
        keys.append(_password(token))
    keys.append(connection.headers.get("api-key", ""))
    keys.append(connection.query_params.get("api_key", ""))
    for name in offered_subprotocols(connection):
        if name.startswith(_KEY_SUBPROTOCOL):
            keys.append(name.removeprefix(_KEY_SUBPROTOCOL))
    return [key for key in keys if key]


def _password(token: str) -> str:
    """Of Basic credentials; none of what is not Basic."""
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def authorised(connection: HTTPConnection, api_key: str | None) -> bool:
    """Whether the client may use this server. Without a configured key everybody may."""
    return api_key is None or _is_among(api_key, presented_keys(connection))


def admitted_session(
    connection: HTTPConnection, api_key: str | None, secrets: ClientSecrets, now_s: float
) -> dict[str, Any]:
    """The session fields that the client's secret carries; none come with the API key.

    Raises SecretRefused for who may not connect. A secret that is no good is refused even where
    no key is asked for: its session would not be the one it was issued for.
    """
    keys = presented_keys(connection)
    if api_key is not None and _is_among(api_key, keys):
        return {}
    for key in keys:
        if key.startswith(PREFIX):
            return secrets.read(key, now_s)
    if api_key is not None:
        raise SecretRefused("Incorrect API key provided.")
    return {}


def _is_among(api_key: str, keys: list[str]) -> bool:
    return any(hmac.compare_digest(key.encode(), api_key.encode()) for key in keys)
