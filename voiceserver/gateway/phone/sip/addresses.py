"""IP addresses as sockets write them: a socket of both kinds writes IPv4 as `::ffff:192.0.2.1`."""

from __future__ import annotations

import ipaddress


def plain(host: str) -> str:
    """An address as everybody else writes it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(getattr(address, "ipv4_mapped", None) or address)


def through(host: str, bound: str) -> str | None:
    """An address as a socket bound to that one wants it; None where it cannot send to."""
    if (":" in host) == (":" in bound):
        return host
    return f"::ffff:{host}" if bound == "::" else None
