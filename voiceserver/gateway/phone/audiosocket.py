"""Asterisk's AudioSocket protocol: kind, length, payload; each sample rate is a kind."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

HANGUP, UUID, DTMF, ERROR = 0x00, 0x01, 0x03, 0xFF
RATES_HZ = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
_HEADER = struct.Struct(">BH")


@dataclass(frozen=True)
class Frame:
    kind: int
    payload: bytes = b""

    def encoded(self) -> bytes:
        return _HEADER.pack(self.kind, len(self.payload)) + self.payload


async def read(stream: asyncio.StreamReader) -> Frame:
    """The next frame; raises IncompleteReadError at the end of the stream."""
    kind, length = _HEADER.unpack(await stream.readexactly(_HEADER.size))
    return Frame(kind, await stream.readexactly(length))
