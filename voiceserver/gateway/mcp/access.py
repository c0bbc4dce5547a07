"""Which MCP servers may be spoken to. Clients name them, so a rule of the operator's decides.

A host's addresses are looked up here, each is held against the rule, and the connection is made to
one that has passed: a name that means something else a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Sequence

import httpx2

MOST_ANSWER_BYTES = 8 * 2**20
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forbidden(httpx2.ConnectError):
    """The operator's rule does not let us speak to this server."""


class Access:
    """The rule: words and hosts, see `ServerConfig.mcp_hosts`."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._words = {host for host in hosts if host in ("public", "local", "private")}
        self._named = {host.lower() for host in hosts}

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where the host may be spoken to, in order of preference; raises Forbidden."""
        found = await _look_up(host, port)
        if {host.lower(), f"{host.lower()}:{port}"} & self._named:
            return [str(address) for address in found]
        allowed = [str(address) for address in found if self._allows(address)]
        if not allowed:
            raise Forbidden(
                f"This server may not speak to {host}:{port}; its operator can allow it "
                f"(--mcp-hosts '{' '.join(sorted(self._words))} {host}:{port}')."
            )
        return allowed

    def _allows(self, address: Address) -> bool:
        address = _inner(address)
        if address.is_loopback:
            return bool({"local", "private"} & self._words)
        if address.is_multicast or address.is_unspecified:
            return False
        return ("public" if address.is_global else "private") in self._words


async def _look_up(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpx2.ConnectError(f"The host {host} is not known.") from None
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, where it is one of those."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests where the rule allows, and reads no more than a bounded answer."""

    def __init__(self, access: Access) -> None:
        self.refused: int | None = None  # the newest answer's HTTP status, if it was no success
        self._access = access
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        *others, last = await self._access.addresses(url.host, port)
        for address in others:
            try:
                return await self._send(request, address)
            except httpx2.ConnectError:
                continue  # a host with several addresses need not listen on all
        return await self._send(request, last)

    async def _send(self, request: httpx2.Request, address: str) -> httpx2.Response:
        response = await self._inner.handle_async_request(
            httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # with the Host as named
                stream=request.stream,
                extensions=request.extensions | {"sni_hostname": request.url.host},
            )
        )
        self.refused = None if response.is_success else response.status_code
        assert isinstance(response.stream, httpx2.AsyncByteStream), "sent asynchronously"
        response.stream = _Bounded(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """An answer's bytes; one that does not end is an error."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received_bytes = 0
        async for data in self._stream:
            received_bytes += len(data)
            if received_bytes > MOST_ANSWER_BYTES:
                raise httpx2.ReadError(f"The answer is longer than {MOST_ANSWER_BYTES} bytes.")
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()
