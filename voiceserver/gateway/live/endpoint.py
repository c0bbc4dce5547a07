"""`/v1/live/sessions`: who is let in, and the answer to who is not.

Sessions are held over WebSockets; of the protocol's HTTP part there is `hangup`. What else it has
(sessions over WebRTC and SIP, recordings, forks) is not here, and is answered with 404.
"""

from __future__ import annotations

import time

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from voiceserver.gateway.admission import Refused, admit, deny, serve
from voiceserver.gateway.auth import admitted_session
from voiceserver.gateway.ephemeral import SecretRefused
from voiceserver.gateway.hanging_up import hang_up_from_outside
from voiceserver.gateway.line import Line
from voiceserver.gateway.live.connection import LiveConnection
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.state import GatewayState

router = APIRouter()


@router.websocket("/v1/live/sessions")
@router.websocket("/openai/v1/live/sessions")  # where Azure's clients look
async def live(websocket: WebSocket) -> None:
    """Serve one Live client."""
    state: GatewayState = websocket.app.state.gateway
    try:
        _check_key(websocket, state)
        connection = await admit(
            state, lambda: LiveConnection(websocket, state.services, state.config.model)
        )
    except Refused as refused:
        await deny(websocket, state, refused)
        return
    await serve(connection, state)


def _check_key(websocket: WebSocket, state: GatewayState) -> None:
    """Raise Refused for who may not connect; a client secret opens this door, too."""
    try:
        admitted_session(websocket, state.config.api_key, state.secrets, time.time())
    except SecretRefused as error:
        raise Refused(401, "invalid_api_key", str(error)) from error


@router.post("/v1/live/sessions/{session_id}/hangup")
@router.post("/openai/v1/live/sessions/{session_id}/hangup")
async def hang_up(request: Request, session_id: str) -> Response:
    """End a session from outside."""

    def find(state: GatewayState) -> Line | None:
        lines = (line for line in state.connections if isinstance(line, LiveConnection))
        return next((line for line in lines if line.session_id == session_id), None)

    missing = refusal(404, "session_not_found", "There is no such Live session.")
    return hang_up_from_outside(request, find, missing)


@router.api_route("/v1/live/{rest:path}", methods=["GET", "POST"])
@router.api_route("/openai/v1/live/{rest:path}", methods=["GET", "POST"])
async def not_here(rest: str) -> Response:
    """Parts of the protocol that this server does not have."""
    message = f"'/v1/live/{rest[:100]}' is not available here; Live sessions are held over "
    return refusal(404, "not_found", f"{message}WebSockets at /v1/live/sessions.")
