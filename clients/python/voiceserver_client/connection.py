"""The socket: addresses as people write them, and refusals as one clear line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from voiceserver_client.errors import CannotConnect

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_OPEN_TIMEOUT_S = 10.0
_MESSAGE_LIMIT_BYTES = 16 * 2**20


def socket_url(url: str, query: Mapping[str, str]) -> str:
    """`127.0.0.1:8000`, `http://host` or `ws://host/v1/realtime?..` as the full address."""
    address = urlsplit(url if "://" in url else f"ws://{url}")
    try:
        port_is_number = address.port is None or address.port > 0
    except ValueError:
        port_is_number = False
    if address.scheme not in _SCHEMES or not address.hostname or not port_is_number:
        raise CannotConnect(f"{url!r} is not an address like ws://127.0.0.1:8000")
    path = address.path.rstrip("/")
    path = {"": "/v1/realtime", "/v1": "/v1/realtime"}.get(path, path)
    items = dict(parse_qsl(address.query)) | dict(query)
    return urlunsplit((_SCHEMES[address.scheme], address.netloc, path, urlencode(items), ""))


async def open_connection(url: str, api_key: str | None) -> ClientConnection:
    """Open the socket; whatever hinders it is a CannotConnect."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        return await open_socket(
            url,
            additional_headers=headers,
            compression=None,  # audio does not compress
            max_size=_MESSAGE_LIMIT_BYTES,
            open_timeout=_OPEN_TIMEOUT_S,
        )
    except InvalidStatus as error:
        raise CannotConnect(f"{url} refused the call: {_reason(error)}") from error
    except InvalidURI as error:
        raise CannotConnect(f"{url} is not a WebSocket address") from error
    except TimeoutError as error:
        raise CannotConnect(f"{url} did not answer in {_OPEN_TIMEOUT_S:.0f} s") from error
    except (OSError, WebSocketException) as error:
        raise CannotConnect(f"cannot reach {url}: {_short(error)}") from error


def _reason(error: InvalidStatus) -> str:
    """The server's own words, if it sent any in the usual shape."""
    status = f"HTTP {error.response.status_code}"
    try:
        message = json.loads(error.response.body or b"")["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return status
    return f"{message} ({status})"


def _short(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nobody listens there"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
