"""The FastAPI application: the engine's life, the protocols, the page, health and metrics."""

from __future__ import annotations

import asyncio
import mimetypes
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from voiceserver.clock import MonotonicClock
from voiceserver.config import EngineConfig, ServerConfig, web_folder
from voiceserver.gateway.auth import authorised
from voiceserver.gateway.engine_client import EngineClient
from voiceserver.gateway.ephemeral import ClientSecrets
from voiceserver.gateway.live.endpoint import router as live_router
from voiceserver.gateway.mcp.access import Access
from voiceserver.gateway.phone.asterisk import router as asterisk_router
from voiceserver.gateway.phone.audiosocket_server import AudioSocketServer
from voiceserver.gateway.phone.handovers import Handovers
from voiceserver.gateway.phone.sip.server import SipServer
from voiceserver.gateway.phone.streams import router as streams_router
from voiceserver.gateway.phone.transfer_endpoint import router as transfer_router
from voiceserver.gateway.phone.twilio import router as twilio_router
from voiceserver.gateway.realtime.clips import ClipReader
from voiceserver.gateway.realtime.endpoint import router as realtime_router
from voiceserver.gateway.realtime.secrets_endpoint import router as secrets_router
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.services import Services
from voiceserver.gateway.state import GatewayState
from voiceserver.gateway.webrtc.endpoint import router as webrtc_router
from voiceserver.gateway.webrtc.ice import ice_servers
from voiceserver.metrics import Metrics
from voiceserver.session.call_tools import CallTools

_ROUTERS = (
    realtime_router,
    webrtc_router,
    live_router,
    twilio_router,
    streams_router,
    asterisk_router,
    transfer_router,
    secrets_router,
)
_SPARE_SLOTS = 1  # for audio inside items, see clips.py
_GOODBYE_S = 3.0
_POLL_S = 0.02

# Browsers refuse module scripts unless served as JavaScript, whatever the system's table says.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("text/css", ".css")
mimetypes.add_type("image/svg+xml", ".svg")


def create_app(config: ServerConfig, engine_command: Sequence[str] | None = None) -> FastAPI:
    """The server. `engine_command` replaces the engine process (its socket's path is appended)."""
    ice_servers(config.ice_servers)  # what is wrong with them is told at the start
    services = _services(config, engine_command)
    state = GatewayState(config, services, ClientSecrets(config.api_key))
    app = FastAPI(
        title="voiceserver", lifespan=lambda app: _running(state), docs_url=None, redoc_url=None
    )
    app.state.gateway = state
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Location"],
    )
    for router in _ROUTERS:
        app.include_router(router)
    _add_information(app, state, started_at=int(time.time()))
    page = web_folder()
    if page.is_dir():
        app.mount("/", _Page(directory=page, html=True), name="page")
    return app


def _services(config: ServerConfig, engine_command: Sequence[str] | None) -> Services:
    """What all connections share; the engine has not been started."""
    metrics, clock, limits = Metrics(), MonotonicClock(), config.limits
    engine_config = EngineConfig(
        model=config.model,
        slots=limits.sessions + _SPARE_SLOTS,
        run_ahead_s=limits.run_ahead_s,
        weights=config.weights,
        device=config.device,
        thinker=config.thinker,
        thinker_folder=config.thinker_folder,
        turn_taking=config.turn_taking,
    )
    engine = EngineClient(engine_config, metrics, engine_command)
    return Services(
        engine=engine,
        clips=ClipReader(engine, limits.utterance_s),
        limits=limits,
        metrics=metrics,
        clock=clock,
        mcp_access=Access(config.mcp_hosts),
        call_tools=CallTools(config.hang_up, dict(config.transfer_to)),
        mcp_servers=config.mcp,
        handovers=Handovers(clock.now_s),
    )


@asynccontextmanager
async def _running(state: GatewayState) -> AsyncIterator[None]:
    """The engine, and what listens beside HTTP, from the server's start to its end."""
    config, engine = state.config, state.services.engine
    audiosocket, sip = AudioSocketServer(state), SipServer(state)
    await engine.start()
    try:
        if config.audiosocket is not None:
            await audiosocket.start(config.audiosocket)
        if config.sip is not None:
            await sip.start(config.sip)
        yield
    finally:
        state.draining = True
        audiosocket.stop()
        await _end_connections(state)
        await sip.stop()
        await engine.stop()


class _Page(StaticFiles):
    """The page's files. A browser asks each time whether its copy is still the newest."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _end_connections(state: GatewayState) -> None:
    """Close whatever is still open, politely."""
    for connection in list(state.connections):
        connection.server_stops()
    for _ in range(int(_GOODBYE_S / _POLL_S)):
        if not state.connections:
            break
        await asyncio.sleep(_POLL_S)


def _add_information(app: FastAPI, state: GatewayState, started_at: int) -> None:
    engine, metrics = state.services.engine, state.services.metrics

    @app.get("/health")
    async def health() -> JSONResponse:
        up = engine.ready is not None
        status = "stopping" if state.draining else "ok" if up else "engine_down"
        body = {
            "status": status,
            "engine": "ready" if up else "down",
            "engine_pid": engine.pid,
            "model": state.config.model,
            "sessions": len(state.connections),
            "session_limit": state.config.limits.sessions,
        }
        return JSONResponse(body, status_code=200 if status == "ok" else 503)

    @app.get("/v1/models")
    @app.get("/openai/v1/models")
    async def models(request: Request) -> JSONResponse:
        if not authorised(request, state.config.api_key):
            return refusal(401, "invalid_api_key", "Incorrect API key provided.")
        model = {
            "id": state.config.model,
            "object": "model",
            "created": started_at,
            "owned_by": "voiceserver",
        }
        return JSONResponse({"object": "list", "data": [model]})

    @app.get("/metrics")
    async def metrics_page() -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")
