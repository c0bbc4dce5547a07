"""`POST /v1/realtime/client_secrets`: short-lived keys for browsers, see `gateway/ephemeral.py`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field, ValidationError
from starlette.responses import JSONResponse

from voiceserver.errors import ClientError
from voiceserver.gateway.auth import authorised
from voiceserver.gateway.ephemeral import SecretTooLong
from voiceserver.gateway.realtime.beta import settings_in_ga_names
from voiceserver.gateway.realtime.client_events import invalid, read_object
from voiceserver.gateway.realtime.patches import SessionPatch, Tolerant
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.state import GatewayState

Wire = dict[str, Any]
router = APIRouter()

_MOST_BODY_BYTES = 2**18


class _ExpiresAfter(Tolerant):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=10, le=7200)] = 600


class _Asked(Tolerant):
    expires_after: _ExpiresAfter | None = None
    session: SessionPatch | None = None


@router.post("/v1/realtime/client_secrets")
@router.post("/openai/v1/realtime/client_secrets")
async def create(request: Request) -> JSONResponse:
    """Issue a secret to who has the API key."""
    return await _answer(request, lambda given: given, lambda issued: issued)


@router.post("/v1/realtime/sessions")
@router.post("/v1/realtime/transcription_sessions")
async def create_as_in_the_beta(request: Request) -> JSONResponse:
    """The beta protocol's way: the session's fields are the request, the secret is in it."""
    kind = "transcription" if request.url.path.endswith("transcription_sessions") else "realtime"

    def in_ga_shape(given: Wire) -> Wire:
        secret = given.pop("client_secret", None)
        wanted = secret.get("expires_after") if isinstance(secret, dict) else None
        return {"session": given | {"type": kind}, "expires_after": wanted}

    def in_beta_shape(issued: Wire) -> Wire:
        session: Wire = issued.pop("session")
        return session | {"client_secret": issued}

    return await _answer(request, in_ga_shape, in_beta_shape)


async def _answer(
    request: Request, ask: Callable[[Wire], Wire], show: Callable[[Wire], Wire]
) -> JSONResponse:
    state: GatewayState = request.app.state.gateway
    if not authorised(request, state.config.api_key):
        return refusal(401, "invalid_api_key", "Incorrect API key provided.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BODY_BYTES:
            message = f"The request may have at most {_MOST_BODY_BYTES} bytes."
            return refusal(413, "request_too_large", message)
    try:
        given = read_object(bytes(body)) if body.strip() else {}
        return JSONResponse(show(_issued(ask(given), state)))
    except ClientError as error:
        return refusal(400, error.code, str(error), error.param)


def _issued(given: Wire, state: GatewayState) -> Wire:
    """The answer with the secret; raises ClientError for a wrong request."""
    if isinstance(session := given.get("session"), dict):
        given = given | {"session": settings_in_ga_names(session)}
    try:
        asked = _Asked.model_validate(given)
    except ValidationError as error:
        raise invalid(error) from None
    patch = asked.session or SessionPatch()
    settings = RealtimeSettings.first(state.config.model).updated(patch)
    expires_at = int(time.time()) + (asked.expires_after or _ExpiresAfter()).seconds
    try:
        carried = patch.model_dump(exclude_unset=True)
        value = state.secrets.issue(carried, expires_at)
    except SecretTooLong:
        raise ClientError(
            "The session's settings are too long for a client secret; send them with "
            "session.update once connected.",
            code="invalid_value",
            param="session",
        ) from None
    session = settings.wire(f"sess_{secrets.token_hex(12)}", expires_at)
    return {"value": value, "expires_at": expires_at, "session": session}
