"""`/v1/phone/asterisk`: a call over Asterisk's WebSocket channel (chan_websocket).

Asterisk connects to us. Sound is binary in the codec of its choice, control is plain text. Asterisk
keeps the clock of what we send and can throw it away (FLUSH_MEDIA), but does not tell what has been
played: that is estimated by the clock.
"""

from __future__ import annotations

import logging

from fastapi import APIRouter
from starlette.websockets import WebSocket

from voiceserver.errors import ClientError
from voiceserver.gateway.auth import offered_subprotocols
from voiceserver.gateway.codings import Coding, Linear
from voiceserver.gateway.line import CLOSE_NORMAL
from voiceserver.gateway.phone.keypad import KEYS
from voiceserver.gateway.phone.phone_socket import PhoneSocket, take_call
from voiceserver.gateway.services import Services
from voiceserver.gateway.wire_audio import AudioFormat
from voiceserver.session import notices as n

log = logging.getLogger("voiceserver.gateway")
router = APIRouter()

SUBPROTOCOL = "media"
MOST_MESSAGE_BYTES = 32_000  # Asterisk hangs up at more than 65 500
CODINGS: dict[str, Coding] = {
    "ulaw": AudioFormat.ULAW,
    "alaw": AudioFormat.ALAW,
    "slin": Linear(8_000),
    "slin12": Linear(12_000),
    "slin16": Linear(16_000),
    "slin24": Linear(24_000),
    "slin32": Linear(32_000),
    "slin44": Linear(44_100),
    "slin48": Linear(48_000),
}


@router.websocket("/v1/phone/asterisk")
async def channel(websocket: WebSocket) -> None:
    """Serve one call."""
    await take_call(websocket, lambda services: AsteriskCall(websocket, services))


class AsteriskCall(PhoneSocket):
    """One caller."""

    def __init__(self, websocket: WebSocket, services: Services) -> None:
        super().__init__(websocket, services, AudioFormat.ULAW)
        self._sounding = False  # sound was sent that nobody has flushed
        self._buffering = False  # Asterisk makes whole frames of pieces of any length

    def _subprotocol(self) -> str | None:
        return SUBPROTOCOL if SUBPROTOCOL in offered_subprotocols(self._websocket) else None

    async def _close(self, code: int, reason: str) -> None:
        if code != CLOSE_NORMAL:  # else there is nobody to hang up
            self._outbox.put("HANGUP")
        await super()._close(code, reason)

    def hang_up(self) -> None:
        self._outbox.put("HANGUP")
        super().hang_up()

    # --- from the caller ---------------------------------------------------------------------

    def _read(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            if self._started.is_set():
                self._telephone.hear(frame)
            return
        name, *words = frame.split()[:20] or [""]
        fields = dict(word.partition(":")[::2] for word in words)
        if name == "MEDIA_START" and not self._started.is_set():
            self._start(fields)
        elif name == "DTMF_END" and self._started.is_set():
            key = fields.get("digit", "").upper()
            if key not in KEYS:
                raise ClientError("DTMF_END without a key.", code="invalid_event")
            self._telephone.press(key)

    def _start(self, fields: dict[str, str]) -> None:
        coding = CODINGS.get(fields.get("format", ""))
        if coding is None:
            known = ", ".join(CODINGS)
            raise ClientError(f"MEDIA_START must have a format of {known}.", code="invalid_event")
        log.info("%s is call %s", self.session_id, fields.get("connection_id", ""))
        self._telephone.recode(coding)
        self._begin(self._websocket.query_params)
        if call_id := self._websocket.query_params.get("call"):
            self._known_as(call_id)

    # --- to the caller -----------------------------------------------------------------------

    def _tell_client(self, notice: n.Effect) -> None:
        super()._tell_client(notice)
        if isinstance(notice, n.ReplyDone) and self._buffering:
            self._buffering = False
            self._put("STOP_MEDIA_BUFFERING", notice.reply)

    def play(self, reply: n.ReplyInfo, data: bytes) -> None:
        if not self._buffering:
            self._put("START_MEDIA_BUFFERING", reply)
        self._buffering = self._sounding = True
        for at in range(0, len(data), MOST_MESSAGE_BYTES):
            self._put(data[at : at + MOST_MESSAGE_BYTES], reply)

    def _put(self, message: str | bytes, reply: n.ReplyInfo) -> None:
        if dropped := self._outbox.put(message, reply.response_id):
            self._services.metrics.audio_dropped.inc(dropped)

    def hush(self) -> None:
        self._outbox.drop_audio()
        if self._sounding:
            self._outbox.put("FLUSH_MEDIA")
        self._sounding = self._buffering = False
