"""One Realtime client's WebSocket: its events in, the session's notices out as events."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

from starlette.websockets import WebSocket

from voiceserver.errors import ClientError, EngineUnavailable
from voiceserver.gateway.line import new_id
from voiceserver.gateway.realtime import client_events, server_events
from voiceserver.gateway.realtime.encoder import Encoder
from voiceserver.gateway.realtime.requests import Requests
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.realtime.shelf import AudioShelf
from voiceserver.gateway.services import Services
from voiceserver.gateway.websocket_line import WebSocketLine
from voiceserver.session import notices as n

log = logging.getLogger("voiceserver.gateway")


class Connection(WebSocketLine):
    """A Realtime client."""

    def __init__(
        self, websocket: WebSocket, services: Services, settings: RealtimeSettings
    ) -> None:
        super().__init__(websocket, services, settings.for_session())
        limits = services.limits
        self._expires_at = int(time.time() + limits.session_s)
        shelf = AudioShelf(limits.backlog_s + limits.utterance_s)
        self._requests = Requests(self._session, settings, limits, new_id, shelf)
        self._encoder = Encoder(settings, self._session.conversation.conversation_id, shelf)
        query = websocket.query_params
        self._encoder.with_timing = query.get("timing") == "1"
        self._encoder.with_interim = self._session.ears.show_interim = query.get("interim") == "1"
        self._told_of_dropping = False

    async def _open(self) -> None:
        await super()._open()
        self._send({"type": "session.created", "session": self._session_wire()})

    # --- from the client ---------------------------------------------------------------------

    def _take(self, frame: str | bytes) -> None:
        event_id = None
        try:
            event = client_events.parse(frame)
            event_id = event.event_id
            if self._requests.carry_out(event, self._services.clock.now_s()):
                self._encoder.settings = self._requests.settings
                self._send({"type": "session.updated", "session": self._session_wire()})
        except ClientError as error:
            event_id = getattr(error, "event_id", None) or event_id
            self._fail(str(error), error.code, error.kind, error.param, event_id)
        except Exception:
            log.exception("%s: a client event could not be carried out", self.session_id)
            message = "The server had an error while processing this event."
            self._fail(message, "internal_error", "server_error", None, event_id)
        self._flush()

    def _session_wire(self) -> dict[str, Any]:
        return self._requests.settings.wire(self.session_id, self._expires_at)

    # --- out ---------------------------------------------------------------------------------

    def engine_ready(self) -> None:
        super().engine_ready()
        self._encoder.voice_rate_hz = self._session.speaker.voice_rate_hz

    def _tell_client(self, notice: n.Effect) -> None:
        if isinstance(notice, n.ReadClip):
            task = asyncio.create_task(self._read_clip(notice.item_id, notice.part_index))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        if isinstance(notice, n.ReplyDone) and notice.reply.status == "cancelled":
            self._outbox.drop_audio(notice.reply.response_id)
        for event in self._encoder.events(notice):
            self._send(event)

    def _send(self, event: dict[str, Any]) -> None:
        is_audio = event["type"] == "response.output_audio.delta"
        text = json.dumps({"event_id": new_id("event"), **event}, ensure_ascii=False)
        dropped = self._outbox.put(text, event["response_id"] if is_audio else None)
        if dropped:
            self._services.metrics.audio_dropped.inc(dropped)
            if not self._told_of_dropping:
                self._told_of_dropping = True
                message = "Audio is not being read as fast as it is spoken; the oldest is dropped."
                self._fail(message, "output_audio_dropped", "server_error")

    def _fail(
        self,
        message: str,
        code: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        self._services.metrics.errors.labels(code).inc()
        self._send(
            server_events.error(message, code=code, kind=kind, param=param, event_id=event_id)
        )

    async def _read_clip(self, item_id: str, part_index: int) -> None:
        """Have audio inside an item transcribed."""
        pcm16 = self._requests.clips.pop((item_id, part_index))
        try:
            text = await self._services.clips.read(pcm16)
        except EngineUnavailable as error:
            self._session.clip_failed(item_id, part_index, str(error))
        else:
            audio_s = len(pcm16) / 32_000
            self._session.clip_read(item_id, part_index, text, audio_s)
        self._flush()
