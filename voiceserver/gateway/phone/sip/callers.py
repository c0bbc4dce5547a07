"""Which addresses may call, and how often. SIP has no keys here: addresses are all there is."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Iterable

from voiceserver.config import SipConfig, host_and_port
from voiceserver.errors import VoiceserverError
from voiceserver.gateway.phone.sip.message import Malformed, host_of

BURST = 20  # requests outside of calls at once from one address, without waiting
PER_S = 5.0  # in the long run
_MOST_HOSTS = 1024  # remembered

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks as a setting has them, such as 192.168.0.0/16."""
    found = []
    for name in names:
        try:
            found.append(ipaddress.ip_network(name, strict=False))
        except ValueError:
            raise VoiceserverError(f"{name!r} is no IP address or network") from None
    return tuple(found)


def check_sip(config: SipConfig) -> None:
    """Raises VoiceserverError for settings that make no sense."""
    host_and_port(config.address)
    networks(config.callers)
    if config.register is not None:
        try:
            host_of(config.register)
        except Malformed:
            message = f"{config.register!r} is not of the form sip:user@exchange"
            raise VoiceserverError(message) from None


class Callers:
    """The guest list, with a bucket of requests for each address."""

    def __init__(self, allowed: Iterable[str], now_s: Callable[[], float]) -> None:
        self._networks = list(networks(allowed))
        self._now_s = now_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, at

    def allow(self, host: str) -> None:
        """One more address may call."""
        self._networks += networks([host])

    def may_call(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def too_often(self, host: str) -> bool:
        """Whether this address asks for too much; each question counts."""
        now_s = self._now_s()
        left, at_s = self._buckets.pop(host, (float(BURST), now_s))
        left = min(float(BURST), left + (now_s - at_s) * PER_S)
        enough = left >= 1.0
        self._buckets[host] = left - enough, now_s
        if len(self._buckets) > _MOST_HOSTS:
            self._buckets.popitem(last=False)
        return not enough
