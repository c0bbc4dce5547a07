"""`/v1/phone/telnyx` and `/v1/phone/plivo`: media streams of calls, let in by the API key."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.websockets import WebSocket

from voiceserver.gateway.phone.dialects import PLIVO, TELNYX
from voiceserver.gateway.phone.phone_socket import take_call
from voiceserver.gateway.phone.stream_call import StreamCall

router = APIRouter()


@router.websocket("/v1/phone/telnyx")
async def telnyx(websocket: WebSocket) -> None:
    """Serve one call; the codec is PCMU or PCMA, the same in both directions."""
    await take_call(websocket, lambda services: StreamCall(websocket, services, TELNYX))


@router.websocket("/v1/phone/plivo")
async def plivo(websocket: WebSocket) -> None:
    """Serve one call; the content type is audio/x-mulaw at 8000 Hz."""
    await take_call(websocket, lambda services: StreamCall(websocket, services, PLIVO))
