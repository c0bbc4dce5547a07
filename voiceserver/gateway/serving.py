"""Running under uvicorn: the settings audio needs, and a shutdown that lets replies finish."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from voiceserver.config import ServerConfig
from voiceserver.gateway.app import create_app
from voiceserver.gateway.state import GatewayState

DRAIN_S = 10.0  # how long replies under way may go on after SIGTERM
_POLL_S = 0.05


class _OneLineErrors(logging.Filter):
    """Drops two of uvicorn's messages that only repeat what has been said in one line.

    Namely the traceback of a failed start, and its surprise at a handshake refused with a reason.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not text.startswith(("Traceback", "ASGI callable returned without completing"))


def uvicorn_config(
    app: FastAPI, config: ServerConfig, log_level: str = "warning"
) -> uvicorn.Config:
    """uvicorn's settings for this server."""
    settings = uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        log_level=log_level,
        ws_max_size=config.limits.message_bytes,
        ws_per_message_deflate=False,  # audio does not compress, and it costs time
        timeout_graceful_shutdown=5,
        timeout_keep_alive=5,
    )
    logging.getLogger("uvicorn.error").addFilter(_OneLineErrors())  # after uvicorn's own set-up
    return settings


class DrainingServer(uvicorn.Server):
    """On the first signal admits nobody and lets replies finish; on the second stops at once."""

    def __init__(self, config: uvicorn.Config, state: GatewayState) -> None:
        super().__init__(config)
        self._state = state
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        self._loop = asyncio.get_running_loop()
        gc.freeze()  # searching all modules for garbage takes 60 ms, and somebody waits for sound
        await super().serve(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        idle = not any(connection.busy for connection in self._state.connections)
        if self._state.draining or idle or self._loop is None:
            self._state.draining = True
            super().handle_exit(sig, frame)
            return
        self._state.draining = True
        self._loop.call_soon_threadsafe(self._start_draining, sig)

    def _start_draining(self, sig: int) -> None:
        self._draining = asyncio.ensure_future(self._drain(sig))

    async def _drain(self, sig: int) -> None:
        for _ in range(int(DRAIN_S / _POLL_S)):
            if not any(connection.busy for connection in self._state.connections):
                break
            await asyncio.sleep(_POLL_S)
        super().handle_exit(sig, None)


def serve(config: ServerConfig, log_level: str = "warning") -> None:
    """Run the server until a signal ends it."""
    assert threading.current_thread() is threading.main_thread(), "signals need the main thread"
    app = create_app(config)
    DrainingServer(uvicorn_config(app, config, log_level), app.state.gateway).run()
