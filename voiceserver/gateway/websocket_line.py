"""A line over a WebSocket: frames in, a bounded queue of frames out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import abstractmethod

from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceserver.gateway.auth import accepted_subprotocol
from voiceserver.gateway.line import CLOSE_NORMAL, CLOSE_TRY_LATER, Line
from voiceserver.gateway.outbox import Outbox, ReaderTooSlow
from voiceserver.gateway.services import Services
from voiceserver.session.settings import SessionSettings

log = logging.getLogger("voiceserver.gateway")

_GOODBYE_S = 2.0  # for a client to read what is still queued


class WebSocketLine(Line):
    """One client's WebSocket and its session."""

    def __init__(self, websocket: WebSocket, services: Services, settings: SessionSettings) -> None:
        super().__init__(services, settings)
        self._websocket = websocket
        self._outbox = Outbox()

    @abstractmethod
    def _take(self, frame: str | bytes) -> None:
        """Carry out one message; whatever is wrong with it, the session lives on."""

    def _subprotocol(self) -> str | None:
        """The one of the subprotocols offered that we speak."""
        return accepted_subprotocol(self._websocket)

    async def _open(self) -> None:
        await self._websocket.accept(subprotocol=self._subprotocol())

    async def _receive_all(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self.end(CLOSE_NORMAL, "")
                return
            frame = message.get("text")
            self._take(frame if frame is not None else message.get("bytes") or b"")

    async def _send_all(self) -> None:
        try:
            while True:
                frame = await self._outbox.get()
                if isinstance(frame, str):
                    await self._websocket.send_text(frame)
                else:
                    await self._websocket.send_bytes(frame)
        except ReaderTooSlow as error:
            log.warning("%s: %s", self.session_id, error)
            self.end(CLOSE_TRY_LATER, "this client does not read what it is sent")
        except (WebSocketDisconnect, RuntimeError, OSError):
            self.end(CLOSE_NORMAL, "")

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._outbox.emptied()  # by the sender, which is still running
            await self._websocket.close(code, reason)
