"""The server under uvicorn, announced when it is ready."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from voiceserver.bench.server import READY_LINE
from voiceserver.config import ServerConfig
from voiceserver.gateway.app import create_app
from voiceserver.gateway.serving import DrainingServer, uvicorn_config
from voiceserver.gateway.state import GatewayState


def run(config: ServerConfig, listener: socket.socket, address: str, log_level: str) -> None:
    """Serve on the bound socket until a signal ends it; print `address` when ready."""
    asyncio.run(_serve(config, listener, address, log_level))


async def _serve(
    config: ServerConfig, listener: socket.socket, address: str, log_level: str
) -> None:
    app = create_app(config)
    settings = uvicorn_config(app, config, log_level)
    # The application is started here and not by uvicorn, which would turn an engine that cannot
    # start into a traceback in its log.
    settings.lifespan = "off"
    async with app.router.lifespan_context(app):
        await _Announcing(settings, app.state.gateway, address).serve([listener])


class _Announcing(DrainingServer):
    """Says where the page is, once it is really there."""

    def __init__(self, config: uvicorn.Config, state: GatewayState, address: str) -> None:
        super().__init__(config, state)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"{READY_LINE}{self._address}", flush=True)
