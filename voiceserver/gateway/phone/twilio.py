"""`/v1/phone/twilio`, a call's media stream, and `/v1/phone/twiml`, which connects a call to it.

`/v1/phone/twiml/next` says what becomes of a call that we have hung up: the model may have handed
it over. A call is let in when Twilio has signed it with the configured auth token, or when it shows
the API key as any client may. Without either configured everybody is let in.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from voiceserver.gateway.admission import Refused
from voiceserver.gateway.auth import authorised
from voiceserver.gateway.phone import twiml as xml
from voiceserver.gateway.phone.dialects import TWILIO
from voiceserver.gateway.phone.phone_socket import (
    NOT_AUTHORISED,
    NOT_AUTHORISED_MESSAGE,
    take_call,
)
from voiceserver.gateway.phone.signature import Fields, requested_url, signed
from voiceserver.gateway.phone.stream_call import ASKS, StreamCall
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.state import GatewayState

router = APIRouter()

STREAM_PATH = "/v1/phone/twilio"
TWIML_PATH = "/v1/phone/twiml"
NEXT_PATH = "/v1/phone/twiml/next"
_TAKEN = ("completed", "answered")  # a dialled call that was one
_MOST_BODY_BYTES = 64 * 2**10


@router.websocket(STREAM_PATH)
async def media_stream(websocket: WebSocket) -> None:
    """Serve one call."""
    await take_call(websocket, lambda services: StreamCall(websocket, services, TWILIO), _may_call)


@router.post(TWIML_PATH)
async def twiml(request: Request) -> Response:
    """What a telephone number's webhook answers: connect the call to us.

    The query's parameters (`instructions=...`) are handed on to the stream.
    """
    try:
        await _fields(request)
    except Refused as refused:
        return refusal(refused.status, refused.code, str(refused))
    parameters = {k: v for k, v in request.query_params.items() if k != "api_key"}
    return _xml(_connect(request, parameters))


@router.post(NEXT_PATH)
async def after(request: Request) -> Response:
    """What Twilio asks when we have hung up, and again when whom it dialled has."""
    try:
        fields = await _fields(request)
    except Refused as refused:
        return refusal(refused.status, refused.code, str(refused))
    state: GatewayState = request.app.state.gateway
    handovers, call_id = state.services.handovers, fields.get("CallSid", "")
    if fields.get("DialCallStatus") in _TAKEN:
        handovers.end(call_id)
    target = handovers.target(call_id)
    if target is None:
        return _xml(xml.hang_up())
    if "DialCallStatus" in fields:  # nobody has taken it: back to the assistant
        return _xml(_connect(request, {}))
    return _xml(xml.dial(target, _url(request, NEXT_PATH)))


def _connect(request: Request, parameters: dict[str, str]) -> str:
    """TwiML that joins the call to our stream, and asks us afterwards if there is anybody else."""
    state: GatewayState = request.app.state.gateway
    action = None
    if state.services.call_tools.transfer_to:
        action = _url(request, NEXT_PATH)
        parameters = parameters | {ASKS: "yes"}
    stream = _url(request, STREAM_PATH).replace("http", "ws", 1)
    return xml.connect(stream, parameters, action)


def _url(request: Request, path: str) -> str:
    """Where Twilio reaches another of our paths."""
    state: GatewayState = request.app.state.gateway
    here = requested_url(request, state.config.public_url).partition("?")[0]
    return here.removesuffix(request.scope["path"]) + path


def _xml(document: str) -> Response:
    return Response(document, media_type="application/xml")


async def _fields(request: Request) -> dict[str, str]:
    """What the request's form says; raises Refused for who may not call."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BODY_BYTES:
            message = f"At most {_MOST_BODY_BYTES} bytes are read."
            raise Refused(413, "body_too_large", message)
    fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    if not _may_call(request, request.app.state.gateway, fields):
        raise Refused(401, NOT_AUTHORISED, NOT_AUTHORISED_MESSAGE)
    return dict(fields)


def _may_call(connection: HTTPConnection, state: GatewayState, fields: Fields = ()) -> bool:
    config = state.config
    token = config.twilio_auth_token
    if token is None:
        return authorised(connection, config.api_key)
    if config.api_key is not None and authorised(connection, config.api_key):
        return True
    return signed(connection, token, config.public_url, fields)
