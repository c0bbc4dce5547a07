"""The server under uvicorn, announced when it is ready."""

from __future__ import annotations

import socket
import sys

import uvicorn

from voiceserver.cli.own_server import READY_LINE
from voiceserver.config import ServerConfig
from voiceserver.errors import VoiceserverError
from voiceserver.gateway.app import create_app
from voiceserver.gateway.serving import DrainingServer, uvicorn_config
from voiceserver.gateway.state import GatewayState


def run(config: ServerConfig, listener: socket.socket, address: str, log_level: str) -> None:
    """Serve on the bound socket until a signal ends it; print `address` when ready."""
    print(f"loading {config.model}", file=sys.stderr, flush=True)
    app = create_app(config)
    settings = uvicorn_config(app, config, log_level)
    server = _Announcing(settings, app.state.gateway, address)
    server.run(sockets=[listener])
    if not server.started:
        raise VoiceserverError("the server did not start; the reason is above")


class _Announcing(DrainingServer):
    """Says where the page is, once the application (with its engine) has started."""

    def __init__(self, config: uvicorn.Config, state: GatewayState, address: str) -> None:
        super().__init__(config, state)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"{READY_LINE}{self._address}", flush=True)
