"""The server under uvicorn, announced when it is ready."""

from __future__ import annotations

import socket

from voiceserver.bench.server import READY_LINE
from voiceserver.config import ServerConfig
from voiceserver.errors import VoiceserverError
from voiceserver.gateway.app import create_app
from voiceserver.gateway.serving import DrainingServer, uvicorn_config


def run(config: ServerConfig, listener: socket.socket, address: str, log_level: str) -> None:
    """Serve on the bound socket until a signal ends it; print `address` when ready."""
    app = create_app(config)
    server = _Announcing(uvicorn_config(app, config, log_level), app.state.gateway)
    server.address = address
    server.run(sockets=[listener])
    if not server.started:
        raise VoiceserverError("the server did not start; the reason is above")


class _Announcing(DrainingServer):
    """Says where the page is, once the application (with its engine) has started."""

    address = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"{READY_LINE}{self.address}", flush=True)
