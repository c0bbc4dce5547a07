"""Listens for Asterisk's AudioSocket connections. The protocol knows no keys: keep it private."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid

from voiceserver.config import host_and_port
from voiceserver.errors import VoiceserverError
from voiceserver.gateway.admission import Refused, admit, serve
from voiceserver.gateway.phone import audiosocket as wire
from voiceserver.gateway.phone.audiosocket_call import AudioSocketCall
from voiceserver.gateway.state import GatewayState

log = logging.getLogger("voiceserver.gateway")

START_S = 10.0  # a connection that has not said its UUID by then is no call
_UNREAD_BYTES = 4096  # written to a socket that takes no more; then sending waits


class AudioSocketServer:
    """A TCP server; each connection is a call."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._server: asyncio.Server | None = None

    async def start(self, address: str) -> None:
        """Listen at HOST:PORT."""
        host, port = host_and_port(address)
        try:
            self._server = await asyncio.start_server(self._connected, host, port)
        except OSError as error:
            message = f"cannot listen for AudioSocket on {address}: {error.strerror or error}"
            log.error("%s", message)
            raise VoiceserverError(message) from error

    def stop(self) -> None:
        """Let nobody in any more."""
        if self._server is not None:
            self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=_UNREAD_BYTES)
        try:
            await self._call(reader, writer)
        except Refused as refused:
            self._state.services.metrics.sessions_refused.labels(refused.code).inc()
            log.warning("a call over AudioSocket was refused: %s", refused)
            if not writer.is_closing():
                writer.write(wire.Frame(wire.HANGUP).encoded())
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(START_S):
                first = await wire.read(reader)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            return
        if first.kind != wire.UUID or len(first.payload) != 16:
            raise Refused(400, "invalid_event", "The first frame is not a UUID.")
        services = self._state.services
        call_id = str(uuid.UUID(bytes=first.payload))
        call = await admit(self._state, lambda: AudioSocketCall(call_id, reader, writer, services))
        log.info("%s is call %s", call.session_id, call_id)
        await serve(call, self._state)
