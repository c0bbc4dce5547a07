"""`/v1/realtime`: who is let in, and the answer to who is not, given before the WebSocket opens.

Two extensions, off unless asked for in the query: `timing=1` sends `voiceserver.turn.timing` (ms
after the user's last word when a turn was decided, read, first written and first heard) and
`voiceserver.interruption.timing`; `interim=1` reads turns while they are being spoken and sends
`voiceserver.input_transcript.interim`.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.websockets import WebSocket

from voiceserver.gateway.admission import Refused, admit, deny, serve
from voiceserver.gateway.auth import authorised
from voiceserver.gateway.realtime.connection import Connection
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.state import GatewayState

router = APIRouter()


@router.websocket("/v1/realtime")
@router.websocket("/openai/v1/realtime")  # where Azure's clients look
async def realtime(websocket: WebSocket) -> None:
    """Serve one Realtime client."""
    state: GatewayState = websocket.app.state.gateway
    try:
        settings = _settings(websocket, state)
        connection = await admit(state, lambda: Connection(websocket, state.services, settings))
    except Refused as refused:
        await deny(websocket, state, refused)
        return
    await serve(connection, state)


def _settings(websocket: WebSocket, state: GatewayState) -> RealtimeSettings:
    """What the session begins with; raises Refused for who may not connect."""
    if not authorised(websocket, state.config.api_key):
        raise Refused(401, "invalid_api_key", "Incorrect API key provided.")
    return RealtimeSettings(model=state.config.model, voice=state.config.model)
