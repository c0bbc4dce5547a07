"""Ending somebody's line from outside, by a request of who has the API key."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from starlette.responses import Response

from voiceserver.gateway.auth import authorised
from voiceserver.gateway.line import Line
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.state import GatewayState


def hang_up_from_outside(
    request: Request, find: Callable[[GatewayState], Line | None], missing: Response
) -> Response:
    """End the line that `find` names; answer `missing` if there is none."""
    state: GatewayState = request.app.state.gateway
    if not authorised(request, state.config.api_key):
        return refusal(401, "invalid_api_key", "Incorrect API key provided.")
    line = find(state)
    if line is None:
        return missing
    line.hang_up()
    return Response(status_code=200)
