"""`GET /v1/phone/transfer?call=ID`: to whom a call goes that we have just hung up, as plain text.

For dialplans and applications that then dial themselves; nobody is an empty answer. See handovers.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from voiceserver.gateway.auth import authorised
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.state import GatewayState

router = APIRouter()


@router.get("/v1/phone/transfer")
async def transfer(request: Request) -> Response:
    """Answer who asks; asked again, the answer is the same for as long as a telephone rings."""
    state: GatewayState = request.app.state.gateway
    if not authorised(request, state.config.api_key):
        return refusal(401, "invalid_api_key", "Incorrect API key provided.")
    target = state.services.handovers.target(request.query_params.get("call", ""))
    return Response(target or "", media_type="text/plain")
