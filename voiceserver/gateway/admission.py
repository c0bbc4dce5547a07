"""Who is let in, whatever the protocol: not past the limit, not while the server stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from starlette.websockets import WebSocket

from voiceserver.errors import EngineUnavailable
from voiceserver.gateway.line import Line
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.state import GatewayState

log = logging.getLogger("voiceserver.gateway")

_POLL_S = 0.02
_PATIENCE_POLLS = 50  # a second: the machine may be busy

AnyLine = TypeVar("AnyLine", bound=Line)


class Refused(Exception):
    """A client that is not let in, as HTTP would put it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


async def admit(state: GatewayState, make: Callable[[], AnyLine]) -> AnyLine:
    """A line for one more client, its session opened in the engine; raises Refused."""
    if state.draining:
        raise Refused(503, "server_stopping", "The server is shutting down.")
    limit = state.config.limits.sessions
    if not await _place_free(state, limit):
        message = f"This server serves at most {limit} sessions at once; try again later."
        raise Refused(429, "session_limit_reached", message)
    line = make()
    state.connections.add(line)
    try:
        await state.services.engine.open(line.session_id, line)
    except EngineUnavailable as error:
        state.connections.discard(line)
        raise Refused(503, "engine_unavailable", str(error)) from error
    except BaseException:
        state.connections.discard(line)
        raise
    return line


async def _place_free(state: GatewayState, limit: int) -> bool:
    """Whether one more may come in; who has just left may need a moment to be gone."""
    for _ in range(_PATIENCE_POLLS):
        if len(state.connections) < limit:
            return True
        await asyncio.sleep(_POLL_S)
    return False


async def serve(line: Line, state: GatewayState) -> None:
    """Serve a client that has been let in, to its end."""
    metrics = state.services.metrics
    metrics.sessions_total.inc()
    metrics.sessions.inc()
    log.info("%s opened", line.session_id)
    try:
        await line.run()
    finally:
        state.services.engine.close(line.session_id)
        state.connections.discard(line)
        metrics.sessions.dec()
        log.info("%s closed", line.session_id)


async def deny(websocket: WebSocket, state: GatewayState, refused: Refused) -> None:
    """Refuse a WebSocket's handshake with an HTTP answer."""
    state.services.metrics.sessions_refused.labels(refused.code).inc()
    answer = refusal(refused.status, refused.code, str(refused))
    await websocket.send_denial_response(answer)
