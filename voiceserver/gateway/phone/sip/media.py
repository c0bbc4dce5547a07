"""A call's RTP socket: sound and keys from the caller, our frames to where theirs come from."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from voiceserver.errors import VoiceserverError
from voiceserver.gateway.phone.sip import rtp
from voiceserver.gateway.phone.sip.addresses import plain, through
from voiceserver.gateway.phone.sip.jitter import Reorder
from voiceserver.gateway.phone.sip.message import Malformed
from voiceserver.gateway.phone.sip.sdp import Description
from voiceserver.gateway.wire_audio import AudioFormat

SILENCE = {AudioFormat.ULAW: b"\xff", AudioFormat.ALAW: b"\xd5"}
_TRIES = 20
_QUIET_TICKS = 6  # without a packet; if our own process stood still, packets wait to be read


class Listener(Protocol):
    """Who gets what the caller sends."""

    def heard(self, sound: bytes) -> None: ...

    def pressed(self, key: str) -> None: ...


class Media(asyncio.DatagramProtocol):
    """Of one call. What comes from hosts that the signalling has not named is no part of it."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._transport: asyncio.DatagramTransport | None = None
        self._bound = ""
        self._listener: Listener | None = None
        self._theirs: Description | None = None
        self._hosts: set[str] = set()
        self._to: tuple[str, int] | None = None
        self._numbering = rtp.Numbering()
        self._keys = rtp.Keys()
        self._reorder = Reorder(b"")
        self.came_s = now_s()  # the newest packet
        self._ticks = 0  # since then

    async def open(self, host: str) -> int:
        """Take a port, an even one as is usual (RFC 3550, section 11)."""
        self._bound = host
        loop = asyncio.get_running_loop()
        for _ in range(_TRIES):
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: self, local_addr=(host, 0)
                )
            except OSError as error:
                raise VoiceserverError(f"no port for RTP: {error.strerror or error}") from error
            port = int(transport.get_extra_info("sockname")[1])
            if port % 2 == 0:
                self._transport = transport
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18
                )
                return port
            transport.close()
        raise VoiceserverError("no even port for RTP")

    def agreed(self, theirs: Description, signalling_host: str) -> None:
        """What both sides send and get is known, or has changed."""
        if self._theirs is None or theirs.coding is not self._theirs.coding:
            self._reorder = Reorder(SILENCE[theirs.coding])
        if self._theirs is None or (theirs.host, theirs.port) != (
            self._theirs.host,
            self._theirs.port,
        ):
            named = self._place(theirs.host, theirs.port)  # none: an address of the other kind
            self._to = named or self._place(signalling_host, theirs.port)
        self._theirs, self.came_s = theirs, self._now_s()
        self._hosts = {plain(theirs.host), signalling_host}

    def _place(self, host: str, port: int) -> tuple[str, int] | None:
        own = through(host, self._bound)
        return None if own is None else (own, port)

    def listen(self, listener: Listener) -> None:
        """Somebody wants to hear the caller."""
        self._listener = listener

    @property
    def held(self) -> bool:
        """Whether the caller does not want to hear us; then we do not hear them either."""
        return self._theirs is not None and self._theirs.held

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # --- from the caller ---------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        theirs = self._theirs
        if theirs is None or self._listener is None or plain(addr[0]) not in self._hosts:
            return
        try:
            packet = rtp.parse(data)
        except Malformed:
            return
        if packet.payload_type not in {theirs.payload_type, theirs.events_type}:
            return
        self._to = addr[:2]  # whatever its description says: it may be behind a NAT
        self.came_s, self._ticks = self._now_s(), 0
        if theirs.held:  # music, if anything
            return
        if packet.payload_type == theirs.events_type:
            self._reorder.other(packet)
            if (key := self._keys.pressed(packet)) is not None:
                self._listener.pressed(key)
        elif sound := self._reorder.packet(packet, self.came_s):
            self._listener.heard(sound)

    def tick(self) -> None:
        """Called every 20 ms: where nothing comes, silence is heard."""
        self._ticks += 1
        if self._ticks < _QUIET_TICKS or self._listener is None:
            return
        if sound := self._reorder.quiet(self._now_s()):
            self._listener.heard(sound)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there (yet); whoever sends nothing for long is gone anyway."""

    # --- to the caller -----------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """A frame of our sound."""
        if self._theirs is None or self._transport is None or self._to is None:
            return  # nothing is agreed yet
        packet = self._numbering.packet(self._theirs.payload_type, frame)
        self._transport.sendto(packet.encoded(), self._to)
