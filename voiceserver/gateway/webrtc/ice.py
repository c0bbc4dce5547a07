"""The servers that help peers behind address translation to find each other (STUN, TURN).

Written as their URLs are, a TURN server's user and password before its host:
`stun:stun.example.org:3478`, `turn:user:password@turn.example.org:3478?transport=tcp`.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiortc import RTCIceServer

from voiceserver.errors import VoiceserverError

_SCHEMES = ("stun", "turn", "turns")


def ice_servers(urls: Sequence[str]) -> list[RTCIceServer]:
    """What aiortc wants to know of them; raises VoiceserverError for what is no such URL."""
    return [_server(url) for url in urls]


def _server(url: str) -> RTCIceServer:
    scheme, _, rest = url.partition(":")
    who, _, where = rest.rpartition("@")
    user, _, password = who.partition(":")
    relays = scheme != "stun"
    if scheme not in _SCHEMES or not where or relays != bool(user and password):
        shown = f"{scheme[:20]}:...@{where[:100]}" if who else url[:100]  # without the password
        raise VoiceserverError(
            f"{shown!r} is not of the form stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT"
        )
    if not relays:
        return RTCIceServer(url)
    return RTCIceServer(f"{scheme}:{where}", username=user, credential=password)
