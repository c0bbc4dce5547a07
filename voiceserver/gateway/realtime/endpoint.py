"""`/v1/realtime`: who is let in, and the answer to who is not, given before the WebSocket opens.

Two extensions, off unless asked for in the query: `timing=1` sends `voiceserver.turn.timing` (ms
after the user's last word when a turn was decided, read, first written and first heard) and
`voiceserver.interruption.timing`; `interim=1` reads turns while they are being spoken and sends
`voiceserver.input_transcript.interim`.
"""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from voiceserver.errors import EngineUnavailable
from voiceserver.gateway.auth import authorised
from voiceserver.gateway.realtime.connection import Connection
from voiceserver.gateway.state import GatewayState

log = logging.getLogger("voiceserver.gateway")
router = APIRouter()

_POLL_S = 0.02
_PATIENCE_POLLS = 15  # 0.3 s


@router.websocket("/v1/realtime")
@router.websocket("/openai/v1/realtime")  # where Azure's clients look
async def realtime(websocket: WebSocket) -> None:
    """Serve one Realtime client."""
    state: GatewayState = websocket.app.state.gateway
    if not authorised(websocket, state.config.api_key):
        await _deny(websocket, state, 401, "invalid_api_key", "Incorrect API key provided.")
        return
    if state.draining:
        await _deny(websocket, state, 503, "server_stopping", "The server is shutting down.")
        return
    limit = state.config.limits.sessions
    if not await _place_free(state, limit):
        message = f"This server serves at most {limit} sessions at once; try again later."
        await _deny(websocket, state, 429, "session_limit_reached", message)
        return
    connection = Connection(websocket, state.services, state.config.model)
    state.connections.add(connection)
    try:
        await state.services.engine.open(connection.session_id, connection)
    except EngineUnavailable as error:
        state.connections.discard(connection)
        await _deny(websocket, state, 503, "engine_unavailable", str(error))
        return
    except BaseException:
        state.connections.discard(connection)
        raise
    await _serve(connection, state)


async def _place_free(state: GatewayState, limit: int) -> bool:
    """Whether one more may come in; who has just left may need a moment to be gone."""
    for _ in range(_PATIENCE_POLLS):
        if len(state.connections) < limit:
            return True
        await asyncio.sleep(_POLL_S)
    return False


async def _serve(connection: Connection, state: GatewayState) -> None:
    metrics = state.services.metrics
    metrics.sessions_total.inc()
    metrics.sessions.inc()
    log.info("%s opened", connection.session_id)
    try:
        await connection.run()
    finally:
        state.services.engine.close(connection.session_id)
        state.connections.discard(connection)
        metrics.sessions.dec()
        log.info("%s closed", connection.session_id)


async def _deny(
    websocket: WebSocket, state: GatewayState, status: int, code: str, message: str
) -> None:
    """Refuse the handshake with an HTTP answer."""
    state.services.metrics.sessions_refused.labels(code).inc()
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "code": code, "param": None}
    await websocket.send_denial_response(JSONResponse({"error": error}, status_code=status))
