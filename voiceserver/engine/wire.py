"""Framing of engine messages on a local stream socket: 4-byte big-endian length, then a pickle.

Both ends are our own processes on one machine and the socket's folder is private to the user, so
pickle is safe here; it never meets bytes that came from a client.
"""

from __future__ import annotations

import pickle
import struct

from voiceserver.engine.messages import FromEngine, ToEngine

_HEADER = struct.Struct(">I")
HEADER_BYTES = _HEADER.size


def encode(message: ToEngine | FromEngine) -> bytes:
    """Frame one message."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _HEADER.pack(len(body)) + body


def body_bytes(header: bytes) -> int:
    """Length in bytes of the body that follows this header."""
    (length,) = _HEADER.unpack(header)
    return int(length)


def decode(body: bytes) -> ToEngine | FromEngine:
    """Read one framed message's body."""
    message: ToEngine | FromEngine = pickle.loads(body)
    return message


class Splitter:
    """Cuts an incoming byte stream into messages, however it was cut on the way."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[ToEngine | FromEngine]:
        """Take more bytes; return the messages that are now complete."""
        self._buffer += data
        messages: list[ToEngine | FromEngine] = []
        while len(self._buffer) >= HEADER_BYTES:
            end = HEADER_BYTES + body_bytes(bytes(self._buffer[:HEADER_BYTES]))
            if len(self._buffer) < end:
                break
            messages.append(decode(bytes(self._buffer[HEADER_BYTES:end])))
            del self._buffer[:end]
        return messages
