"""A call over AudioSocket: 16-bit samples both ways, ours sent a frame every 20 ms.

Asterisk plays what it gets at once and can throw nothing away, so we keep the clock: what has not
been sent has not been heard, and being interrupted is to send no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass

from voiceserver.errors import ClientError
from voiceserver.gateway.codings import Linear
from voiceserver.gateway.line import CLOSE_NORMAL, CLOSE_TRY_LATER
from voiceserver.gateway.phone import audiosocket as wire
from voiceserver.gateway.phone.keypad import KEYS
from voiceserver.gateway.phone.telephone import CALL_SETTINGS, PhoneLine, Telephone
from voiceserver.gateway.services import Services
from voiceserver.session import notices as n

MOST_FRAMES = 1500  # 30 s; then the oldest are dropped
_CATCH_UP_S = 0.1  # how much of a delay of ours is made up for by faster frames
_READ_S = 10.0  # a peer that takes nothing for so long is gone
_GOODBYE_S = 2.0


@dataclass(frozen=True)
class _Piece:
    """A frame of sound on its way."""

    item_id: str
    ends_s: float  # in its item
    frame: wire.Frame


class AudioSocketCall(PhoneLine):
    """One caller."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, services: Services
    ) -> None:
        super().__init__(services, CALL_SETTINGS)
        self._session.speaker.playout.reported = True
        self._reader, self._writer = reader, writer
        self._kind = 0x10  # of the sound, both ways: as the caller's comes
        self._telephone = Telephone(self._session, Linear(), self)
        self._pieces: deque[_Piece] = deque()
        self._partial = bytearray()  # of the newest item: less than a frame
        self._item_id = ""
        self._item_bytes = 0  # of it, in whole frames
        self._filled = asyncio.Event()

    async def _open(self) -> None:
        """The connection stands already."""

    async def _close(self, code: int, reason: str) -> None:
        self._telephone.keypad.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                self._writer.write(wire.Frame(wire.HANGUP).encoded())
                await self._writer.drain()

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

    def _tell_client(self, notice: n.Effect) -> None:
        super()._tell_client(notice)
        if isinstance(notice, n.ReplyDone) and self._partial:  # the last frame is filled up
            self.play(notice.reply, bytes(self._frame_bytes - len(self._partial)))

    @property
    def _frame_bytes(self) -> int:
        return 2 * round(self._telephone.coding.rate_hz * wire.FRAME_S)

    def play(self, reply: n.ReplyInfo, data: bytes) -> None:
        if reply.item_id != self._item_id:
            self._item_id, self._item_bytes = reply.item_id, 0
            self._partial.clear()
        self._partial += data
        size = self._frame_bytes
        while len(self._partial) >= size:
            frame = wire.Frame(self._kind, bytes(self._partial[:size]))
            del self._partial[:size]
            self._item_bytes += size
            ends_s = self._item_bytes / (2 * self._telephone.coding.rate_hz)
            self._pieces.append(_Piece(reply.item_id, ends_s, frame))
        while len(self._pieces) > MOST_FRAMES:
            self._pieces.popleft()
            self._services.metrics.audio_dropped.inc()
        self._filled.set()

    def hush(self) -> None:
        self._pieces.clear()
        self._partial.clear()

    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        try:
            while True:
                if not self._pieces:
                    self._filled.clear()
                    await self._filled.wait()
                    continue
                due_s = max(due_s, loop.time() - _CATCH_UP_S)
                await asyncio.sleep(due_s - loop.time())
                due_s += wire.FRAME_S
                await self._send_one()
        except (OSError, TimeoutError):
            self.end(CLOSE_TRY_LATER, "this caller does not take what it is sent")

    async def _send_one(self) -> None:
        if not self._pieces:  # hushed meanwhile
            return
        piece = self._pieces.popleft()
        self._writer.write(piece.frame.encoded())
        self._session.speaker.playout.played(piece.item_id, piece.ends_s, self.now_s())
        async with asyncio.timeout(_READ_S):
            await self._writer.drain()
