"""Lines whose other end plays what it gets at once: ours to keep the clock, a frame every 20 ms.

What has not been sent has not been heard, and being interrupted is to send no more.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass

import numpy as np

from voiceserver.gateway.line import CLOSE_TRY_LATER
from voiceserver.gateway.phone.telephone import CALL_SETTINGS, PhoneLine
from voiceserver.gateway.services import Services
from voiceserver.session import notices as n

FRAME_S = 0.02
MOST_FRAMES = 1500  # 30 s; then the oldest are dropped
_CATCH_UP_S = 0.1  # how much of a delay of ours is made up for by faster frames


@dataclass(frozen=True)
class _Piece:
    """A frame of sound on its way."""

    item_id: str
    ends_s: float  # in its item
    frame: bytes


class PacedLine(PhoneLine):
    """A call whose frames leave by our clock."""

    always_sends = False  # silence too

    def __init__(self, services: Services) -> None:
        super().__init__(services, CALL_SETTINGS)
        self._session.speaker.playout.reported = True
        self._pieces: deque[_Piece] = deque()
        self._partial = bytearray()  # of the newest item: less than a frame
        self._item_id = ""
        self._item_frames = 0
        self._filled = asyncio.Event()

    @abstractmethod
    async def _send_frame(self, frame: bytes) -> None:
        """Put a frame on the wire; OSError and TimeoutError end the call."""

    @property
    def _silence(self) -> bytes:
        """A frame of it."""
        coding = self._telephone.coding
        return coding.to_bytes(np.zeros(round(coding.rate_hz * FRAME_S), np.int16))

    def _tell_client(self, notice: n.Effect) -> None:
        super()._tell_client(notice)
        if isinstance(notice, n.ReplyDone) and self._partial:  # the last frame is filled up
            self.play(notice.reply, self._silence[len(self._partial) :])

    def play(self, reply: n.ReplyInfo, data: bytes) -> None:
        if reply.item_id != self._item_id:
            self._item_id, self._item_frames = reply.item_id, 0
            self._partial.clear()
        self._partial += data
        size = len(self._silence)
        while len(self._partial) >= size:
            self._item_frames += 1
            ends_s = self._item_frames * FRAME_S
            self._pieces.append(_Piece(reply.item_id, ends_s, bytes(self._partial[:size])))
            del self._partial[:size]
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
                if not self._pieces and not self.always_sends:
                    self._filled.clear()
                    await self._filled.wait()
                    continue
                due_s = max(due_s, loop.time() - _CATCH_UP_S)
                await asyncio.sleep(due_s - loop.time())
                due_s += FRAME_S
                await self._send_next()
        except (OSError, TimeoutError):
            self.end(CLOSE_TRY_LATER, "this caller does not take what it is sent")

    async def _send_next(self) -> None:
        if self._pieces:
            piece = self._pieces.popleft()
            self._session.speaker.playout.played(piece.item_id, piece.ends_s, self.now_s())
            await self._send_frame(piece.frame)
        elif self.always_sends:  # else it was hushed meanwhile
            await self._send_frame(self._silence)
