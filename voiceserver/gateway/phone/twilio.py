"""`/v1/phone/twilio`, a call's media stream, and `/v1/phone/twiml`, which connects a call to it.

A call is let in when Twilio has signed it with the configured auth token, or when it shows the API
key as any client may. Without either configured everybody is let in.
"""

from __future__ import annotations

from urllib.parse import parse_qsl
from xml.sax.saxutils import quoteattr

from fastapi import APIRouter, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from voiceserver.gateway.auth import authorised
from voiceserver.gateway.phone.dialects import TWILIO
from voiceserver.gateway.phone.phone_socket import (
    NOT_AUTHORISED,
    NOT_AUTHORISED_MESSAGE,
    take_call,
)
from voiceserver.gateway.phone.signature import Fields, requested_url, signed
from voiceserver.gateway.phone.stream_call import StreamCall
from voiceserver.gateway.refusals import refusal
from voiceserver.gateway.state import GatewayState

router = APIRouter()

STREAM_PATH = "/v1/phone/twilio"
TWIML_PATH = "/v1/phone/twiml"
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
    state: GatewayState = request.app.state.gateway
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BODY_BYTES:
            return refusal(413, "body_too_large", f"At most {_MOST_BODY_BYTES} bytes are read.")
    fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    if not _may_call(request, state, fields):
        return refusal(401, NOT_AUTHORISED, NOT_AUTHORISED_MESSAGE)
    here = requested_url(request, state.config.public_url).partition("?")[0]
    stream = here.replace("http", "ws", 1).removesuffix(TWIML_PATH) + STREAM_PATH
    parameters = {k: v for k, v in request.query_params.items() if k != "api_key"}
    return Response(connect_call(stream, parameters), media_type="application/xml")


def connect_call(stream_url: str, parameters: dict[str, str]) -> str:
    """TwiML that joins a call to a media stream in both directions."""
    inner = "".join(
        f"<Parameter name={quoteattr(name)} value={quoteattr(value)}/>"
        for name, value in parameters.items()
    )
    stream = f"<Stream url={quoteattr(stream_url)}>{inner}</Stream>"
    return f'<?xml version="1.0" encoding="UTF-8"?><Response><Connect>{stream}</Connect></Response>'


def _may_call(connection: HTTPConnection, state: GatewayState, fields: Fields = ()) -> bool:
    config = state.config
    token = config.twilio_auth_token
    if token is None:
        return authorised(connection, config.api_key)
    if config.api_key is not None and authorised(connection, config.api_key):
        return True
    return signed(connection, token, config.public_url, fields)
