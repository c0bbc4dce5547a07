"""RTP packets (RFC 3550), and keys as events among them (RFC 4733)."""

from __future__ import annotations

import secrets
import struct
from collections import deque
from dataclasses import dataclass

from voiceserver.gateway.phone.sip.message import Malformed

_HEADER = struct.Struct(">BBHII")
_EVENT = struct.Struct(">BBH")
_VERSION = 2 << 6
_EVENT_KEYS = "0123456789*#ABCD"  # by their numbers
_REMEMBERED = 8  # events whose late packets are known


@dataclass(frozen=True)
class Packet:
    payload_type: int
    sequence: int  # 16 bits
    timestamp: int  # 32 bits, in samples
    source: int  # SSRC
    payload: bytes
    marker: bool = False

    def encoded(self) -> bytes:
        kind = self.payload_type | (self.marker << 7)
        header = (_VERSION, kind, self.sequence, self.timestamp, self.source)
        return _HEADER.pack(*header) + self.payload


def parse(data: bytes) -> Packet:
    """A datagram's packet; raises Malformed."""
    if len(data) < _HEADER.size or data[0] >> 6 != 2:
        raise Malformed("no RTP packet")
    first, kind, sequence, timestamp, source = _HEADER.unpack_from(data)
    start = _HEADER.size + 4 * (first & 0x0F)  # contributing sources
    if first & 0x10:  # an extension
        if len(data) < start + 4:
            raise Malformed("an RTP header is cut off")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data) - (data[-1] if first & 0x20 else 0)  # padding tells its length
    if start > end or (first & 0x20 and data[-1] == 0):
        raise Malformed("an RTP packet's lengths do not fit")
    return Packet(kind & 0x7F, sequence, timestamp, source, data[start:end], bool(kind & 0x80))


class Numbering:
    """Numbers the packets of one stream of ours."""

    def __init__(self) -> None:
        self._source = secrets.randbits(32)
        self._sequence = secrets.randbits(15)  # the first wrap is far away: RFC 3711 asks for it
        self._timestamp = secrets.randbits(32)
        self._first = True

    def packet(self, payload_type: int, payload: bytes) -> Packet:
        """The next packet of G.711: a byte is a sample."""
        packet = Packet(
            payload_type, self._sequence, self._timestamp, self._source, payload, self._first
        )
        self._sequence = (self._sequence + 1) % 2**16
        self._timestamp = (self._timestamp + len(payload)) % 2**32
        self._first = False
        return packet


class Keys:
    """Each key once, of the many packets that tell of it: those of one key have its timestamp."""

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)

    def pressed(self, packet: Packet) -> str | None:
        """The key, if this is the first that is heard of it."""
        if len(packet.payload) < _EVENT.size or packet.timestamp in self._seen:
            return None
        number, _, _ = _EVENT.unpack_from(packet.payload)
        self._seen.append(packet.timestamp)
        return _EVENT_KEYS[number] if number < len(_EVENT_KEYS) else None
