"""`/v1/realtime?call_id=rtc_...`: a WebSocket beside a call, for the server behind a web page.

The browser talks; the server watches the same session, changes it and runs its tools. It is told
every event, and its own are carried out like the browser's. Several may join, and leave again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceserver.gateway.admission import Refused, deny
from voiceserver.gateway.auth import accepted_subprotocol, authorised
from voiceserver.gateway.line import CLOSE_NORMAL, CLOSE_TRY_LATER
from voiceserver.gateway.outbox import Outbox, ReaderTooSlow
from voiceserver.gateway.realtime.protocol import RealtimeProtocol
from voiceserver.gateway.state import GatewayState
from voiceserver.gateway.webrtc.call import Call

log = logging.getLogger("voiceserver.gateway")

MOST_SIDEBANDS = 4  # beside one call
_GOODBYE_S = 2.0  # for what is still queued


async def join_call(websocket: WebSocket, state: GatewayState, call_id: str) -> None:
    """Serve a WebSocket beside this call, until one of the two ends."""
    try:
        call = _allowed(websocket, state, call_id)
    except Refused as refused:
        await deny(websocket, state, refused)
        return
    await websocket.accept(subprotocol=accepted_subprotocol(websocket))
    await Sideband(websocket, call.protocol).run()


def _allowed(websocket: WebSocket, state: GatewayState, call_id: str) -> Call:
    """The call that this client may join; raises Refused. A client secret is not enough."""
    if not authorised(websocket, state.config.api_key):
        raise Refused(401, "invalid_api_key", "Incorrect API key provided.")
    call = find_call(state, call_id)
    if call is None:
        raise Refused(404, "call_not_found", "There is no such call.")
    if call.protocol.joined_count >= MOST_SIDEBANDS:
        message = f"At most {MOST_SIDEBANDS} connections may join a call."
        raise Refused(429, "sideband_limit_reached", message)
    return call


def find_call(state: GatewayState, call_id: str) -> Call | None:
    """The call of this id that is going on."""
    calls = (line for line in state.connections if isinstance(line, Call))
    return next((call for call in calls if call.call_id == call_id), None)


class Sideband:
    """One WebSocket beside a call."""

    def __init__(self, websocket: WebSocket, protocol: RealtimeProtocol) -> None:
        self._websocket = websocket
        self._protocol = protocol
        self._outbox = Outbox()

    async def run(self) -> None:
        with self._protocol.joined(self._outbox):
            sending = asyncio.create_task(self._send_all())
            receiving = asyncio.create_task(self._receive_all())
            over = asyncio.create_task(self._protocol.over.wait())
            tasks = [sending, receiving, over]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                await self._close(sending)
            finally:
                for task in tasks:
                    task.cancel()

    async def _receive_all(self) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            frame = message.get("text")
            if frame is None:
                frame = message.get("bytes") or b""
            self._protocol.take(frame, self._outbox)

    async def _send_all(self) -> int:
        """Send what is queued as long as it is read; the code to close with."""
        try:
            while True:
                frame = await self._outbox.get()
                assert isinstance(frame, str), "events are text"
                await self._websocket.send_text(frame)
        except ReaderTooSlow as error:
            log.warning("a sideband is closed: %s", error)
            return CLOSE_TRY_LATER
        except (WebSocketDisconnect, RuntimeError, OSError):
            return CLOSE_NORMAL

    async def _close(self, sending: asyncio.Task[int]) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            if not sending.done() and self._protocol.over.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_GOODBYE_S):
                        await self._outbox.emptied()
            await self._websocket.close(sending.result() if sending.done() else CLOSE_NORMAL)
