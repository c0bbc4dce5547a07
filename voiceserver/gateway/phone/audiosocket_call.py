"""A call over AudioSocket: 16-bit samples both ways. Asterisk can throw nothing away."""

from __future__ import annotations

import asyncio
import contextlib

from voiceserver.errors import ClientError
from voiceserver.gateway.codings import Linear
from voiceserver.gateway.line import CLOSE_NORMAL
from voiceserver.gateway.phone import audiosocket as wire
from voiceserver.gateway.phone.keypad import KEYS
from voiceserver.gateway.phone.paced import PacedLine
from voiceserver.gateway.phone.telephone import Telephone
from voiceserver.gateway.services import Services

_READ_S = 10.0  # a peer that takes nothing for so long is gone
_GOODBYE_S = 2.0


class AudioSocketCall(PacedLine):
    """One caller."""

    def __init__(
        self,
        call_id: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        services: Services,
    ) -> None:
        super().__init__(services)
        self._asked_as = call_id
        self._reader, self._writer = reader, writer
        self._kind = 0x10  # of the sound, both ways: as the caller's comes
        self._telephone = Telephone(self._session, Linear(), self)

    async def _open(self) -> None:
        self._known_as(self._asked_as)

    async def _close(self, code: int, reason: str) -> None:
        self._telephone.keypad.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._write(wire.Frame(wire.HANGUP))

    # --- from the caller ---------------------------------------------------------------------

    async def _receive_all(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while (frame := await wire.read(self._reader)).kind != wire.HANGUP:
                self._take(frame)
        self.end(CLOSE_NORMAL, "the call is over")

    def _take(self, frame: wire.Frame) -> None:
        with self._survived():
            if frame.kind in wire.RATES_HZ:
                self._hear(frame)
            elif frame.kind == wire.DTMF:
                self._press(frame.payload)
            elif frame.kind == wire.ERROR:
                self._fail(f"Asterisk reports error {frame.payload.hex()}", "audiosocket_error")

    def _hear(self, frame: wire.Frame) -> None:
        if frame.kind != self._kind:
            self._kind = frame.kind
            self._telephone.recode(Linear(wire.RATES_HZ[frame.kind]))
            self.hush()
        self._telephone.hear(frame.payload)

    def _press(self, payload: bytes) -> None:
        key = payload.decode("latin-1").upper()
        if key not in KEYS:
            raise ClientError("That is not a key.", code="invalid_event")
        self._telephone.press(key)

    # --- to the caller -----------------------------------------------------------------------

    async def _send_frame(self, frame: bytes) -> None:
        async with asyncio.timeout(_READ_S):
            await self._write(wire.Frame(self._kind, frame))

    async def _write(self, frame: wire.Frame) -> None:
        if self._writer.is_closing():  # uvloop would raise RuntimeError
            raise ConnectionResetError
        self._writer.write(frame.encoded())
        await self._writer.drain()
