"""`POST /v1/realtime/calls`: a WebRTC call is answered; `.../{call_id}/hangup`: it is ended.

The query may ask for our own events as over a WebSocket, see `gateway/realtime/endpoint.py`; with
`timing=1` transcript deltas say when in the sound they are spoken (`start_time`, seconds).
"""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from voiceserver.errors import ClientError
from voiceserver.gateway.admission import Refused, admit, serve
from voiceserver.gateway.auth import admitted_session
from voiceserver.gateway.ephemeral import SecretRefused
from voiceserver.gateway.hanging_up import hang_up_from_outside
from voiceserver.gateway.realtime.patches import SessionPatch
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.state import GatewayState
from voiceserver.gateway.webrtc.call import Call
from voiceserver.gateway.webrtc.call_request import read_call
from voiceserver.gateway.webrtc.ice import ice_servers
from voiceserver.gateway.webrtc.sideband import find_call

router = APIRouter()


@router.post("/v1/realtime/calls")
@router.post("/openai/v1/realtime/calls")
async def create(request: Request) -> Response:
    """Answer an SDP offer; the call goes on after the answer."""
    state: GatewayState = request.app.state.gateway
    try:
        carried = admitted_session(request, state.config.api_key, state.secrets, time.time())
        offer, asked = await read_call(request)
        settings = RealtimeSettings.first(state.config.model)
        settings = settings.updated(SessionPatch.model_validate(carried)).updated(asked)
        helpers = ice_servers(state.config.ice_servers)
        call = Call(state.services, settings, request.query_params, helpers)
        answer = await _begin(call, offer, state)
    except SecretRefused as error:
        return refusal(401, "invalid_api_key", str(error))
    except ClientError as error:
        status = 413 if error.code == "request_too_large" else 400
        return refusal(status, error.code, str(error), error.param)
    except Refused as refused:
        state.services.metrics.sessions_refused.labels(refused.code).inc()
        return refusal(refused.status, refused.code, str(refused))
    location = f"{request.url.path.rstrip('/')}/{call.call_id}"
    return Response(answer, 201, {"Location": location}, media_type="application/sdp")


async def _begin(call: Call, offer: str, state: GatewayState) -> str:
    """Let a call in and have it served; returns the SDP answer."""
    try:
        answer = await call.answer(offer)
        await admit(state, lambda: call)
    except BaseException:
        await call.abandon()
        raise
    call.serving = asyncio.create_task(serve(call, state))
    return answer


@router.post("/v1/realtime/calls/{call_id}/hangup")
@router.post("/openai/v1/realtime/calls/{call_id}/hangup")
async def hang_up(call_id: str, request: Request) -> Response:
    """End a call."""
    missing = refusal(404, "call_not_found", "There is no such call.", "call_id")
    return hang_up_from_outside(request, lambda state: find_call(state, call_id), missing)
