"""`/v1/realtime`: who is let in, and the answer to who is not, given before the WebSocket opens.

Two extensions, off unless asked for in the query: `timing=1` sends `voiceserver.turn.timing` (ms
after the user's last word when a turn was decided, read, first written and first heard) and
`voiceserver.interruption.timing`; `interim=1` reads turns while they are being spoken and sends
`voiceserver.input_transcript.interim`. With `call_id` it is a sideband, see `webrtc/sideband.py`.
"""

from __future__ import annotations

import time

from fastapi import APIRouter
from starlette.websockets import WebSocket

from voiceserver.gateway.admission import Refused, admit, deny, serve
from voiceserver.gateway.auth import admitted_session
from voiceserver.gateway.ephemeral import SecretRefused
from voiceserver.gateway.realtime.connection import Connection
from voiceserver.gateway.realtime.patches import SessionPatch
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.state import GatewayState
from voiceserver.gateway.webrtc.sideband import join_call

router = APIRouter()


@router.websocket("/v1/realtime")
@router.websocket("/openai/v1/realtime")  # where Azure's clients look
async def realtime(websocket: WebSocket) -> None:
    """Serve one Realtime client."""
    state: GatewayState = websocket.app.state.gateway
    if (call_id := websocket.query_params.get("call_id")) is not None:
        await join_call(websocket, state, call_id)
        return
    try:
        settings = _settings(websocket, state)
        connection = await admit(state, lambda: Connection(websocket, state.services, settings))
    except Refused as refused:
        await deny(websocket, state, refused)
        return
    await serve(connection, state)


def _settings(websocket: WebSocket, state: GatewayState) -> RealtimeSettings:
    """What the session begins with; raises Refused for who may not connect."""
    try:
        carried = admitted_session(websocket, state.config.api_key, state.secrets, time.time())
    except SecretRefused as error:
        raise Refused(401, "invalid_api_key", str(error)) from error
    settings = RealtimeSettings.first(state.config.model)
    settings = settings.updated(SessionPatch.model_validate(carried))
    if websocket.query_params.get("intent") == "transcription":
        settings = settings.updated(SessionPatch(type="transcription"))
    return settings
