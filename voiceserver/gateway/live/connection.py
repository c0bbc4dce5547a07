"""One Live client's WebSocket: its events in, a never-ending stream of sound and events out."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

from starlette.websockets import WebSocket

from voiceserver.errors import ClientError
from voiceserver.gateway.line import CLOSE_NORMAL, new_id
from voiceserver.gateway.live import client_events as ce
from voiceserver.gateway.live import server_events as ev
from voiceserver.gateway.live.call import LiveCall
from voiceserver.gateway.live.session_config import ResponsesDelegation
from voiceserver.gateway.live.settings import LiveSettings
from voiceserver.gateway.services import Services
from voiceserver.gateway.told_once import Unread
from voiceserver.gateway.websocket_line import WebSocketLine
from voiceserver.session import notices as n
from voiceserver.session.settings import SessionSettings

log = logging.getLogger("voiceserver.gateway")

START_S = 30.0  # a client that has not started its session by then is none
MOST_UNREAD_S = 2.0  # of sound; what is older is thrown away, or it would be late for ever
_AUDIO = "session.output_audio.delta"


class LiveConnection(WebSocketLine):
    """A Live client."""

    def __init__(self, websocket: WebSocket, services: Services, model: str) -> None:
        super().__init__(websocket, services, SessionSettings(turns=None))
        self._session.voice.passes_stream = True
        self._model = model
        self._expires_at = int(time.time() + services.limits.session_s)
        self._call: LiveCall | None = None  # once it has started
        self._started: asyncio.Future[LiveCall] = asyncio.get_running_loop().create_future()
        self._closed = False
        self._unread = Unread(
            services.metrics, lambda: self._send(ev.info(Unread.CODE, Unread.MESSAGE))
        )

    # --- life --------------------------------------------------------------------------------

    async def _open(self) -> None:
        await super()._open()
        self._tasks.add(asyncio.create_task(self._keep_time()))

    async def _keep_time(self) -> None:
        """Wait for the session's start; then send what is due, when it is due."""
        try:
            async with asyncio.timeout(START_S):
                call = await self._started
        except TimeoutError:
            self._fail("No session.start has come.", "session_not_started")
            self.end(CLOSE_NORMAL, "no session.start")
            return
        while not self._closed:
            await asyncio.sleep(max(0.0, call.pacer.next_s - self._now_s()))
            self._tick(call)

    def _tick(self, call: LiveCall) -> None:
        try:
            call.tick(self._now_s())
        except ClientError as error:  # what was asked for cannot be said
            self._fail(str(error), error.code, error.kind, error.param)
        except Exception:
            log.exception("%s: a moment of a live session went wrong", self.session_id)
            self._fail("The server had an internal error.", "internal_error", "server_error")
        self._flush()

    @property
    def busy(self) -> bool:
        return super().busy or (self._call is not None and self._call.busy)

    def end(self, code: int, reason: str) -> None:
        self._closed = True
        super().end(code, reason)

    async def _expire(self) -> None:
        await asyncio.sleep(self._services.limits.session_s)
        self._finish("expired", None)

    def hang_up(self) -> None:
        """Somebody else who may do so ends the session."""
        self._finish("close_requested", None)

    def _finish(self, reason: str, event_id: str | None) -> None:
        """The session is over: the client is told, and nothing follows."""
        if self._call is not None and not self._closed:
            usage = self._call.usage(self._now_s())
            session = self._session_wire(self._call)
            closed = {"type": "session.closed", "reason": reason, "session": session}
            self._send(closed | {"usage": usage}, event_id)
        self.end(CLOSE_NORMAL, reason)

    def _now_s(self) -> float:
        return self._services.clock.now_s()

    # --- from the client ---------------------------------------------------------------------

    def _take(self, frame: str | bytes) -> None:
        if self._closed:
            return
        event_id = None
        try:
            event = ce.parse(frame)
            event_id = event.event_id
            self._carry_out(event)
        except ClientError as error:
            event_id = getattr(error, "event_id", None) or event_id
            self._fail(str(error), error.code, error.kind, error.param, event_id)
        except Exception:
            log.exception("%s: a client event could not be carried out", self.session_id)
            message = "The server had an error while processing this event."
            self._fail(message, "internal_error", "server_error", None, event_id)
        self._flush()

    def _carry_out(self, event: ce.AnyClientEvent) -> None:
        call = self._call
        if isinstance(event, ce.SessionClose):
            self._finish("close_requested", event.event_id)
        elif isinstance(event, ce.SessionStart):
            self._start(event)
        elif call is None:
            message = "The session has not been started: session.start must be the first event."
            raise ClientError(message, code="session_not_started")
        elif isinstance(event, ce.SessionUpdate):
            call.settings = call.settings.updated(event.session)
            self._session.configure(call.settings.for_session())
            updated = {"type": "session.updated", "session": self._session_wire(call)}
            self._send(updated, event.event_id)
            self._tell_what_is_missing(call)
        elif (answer := call.carry_out(event, self._now_s())) is not None:
            self._send(answer, event.event_id)

    def _start(self, event: ce.SessionStart) -> None:
        if self._call is not None:
            message = "The session has been started already."
            raise ClientError(message, code="session_already_started")
        settings = LiveSettings.started(event.session, self._model)
        self._call = LiveCall(self._session, settings, self._now_s(), self._send)
        self._started.set_result(self._call)
        unread = settings.coding.to_bytes(self._call.pacer.silence(MOST_UNREAD_S))
        self._outbox.most_audio_bytes = len(unread) * 4 // 3  # in base64
        started = {"type": "session.started", "session": self._session_wire(self._call)}
        self._send(started, event.event_id)
        if event.session.store:
            self._send(ev.info("not_stored", "This server does not store sessions."))
        if event.session.delegation is not None:
            self._tell_what_is_missing(self._call)

    def _tell_what_is_missing(self, call: LiveCall) -> None:
        """A client that counts on delegation learns if the present model never delegates."""
        ready = self._services.engine.ready
        delegation = call.settings.delegation
        idle = isinstance(delegation, ResponsesDelegation) and not call.settings.has_tools
        if ready is not None and not ready.calls_tools and not idle:
            message = "The model of this server calls no functions, so it delegates nothing."
            self._send(ev.info("delegation_unavailable", message))

    def _session_wire(self, call: LiveCall) -> dict[str, Any]:
        return call.settings.wire(self.session_id, self._expires_at)

    # --- out ---------------------------------------------------------------------------------

    def _tell_client(self, notice: n.Effect) -> None:
        if self._call is not None:
            self._call.tell(notice, self._now_s())

    def _send(self, event: dict[str, Any], client_event_id: str | None = None) -> None:
        if self._closed:
            return
        is_audio = event["type"] == _AUDIO
        if not is_audio:
            event = {"event_id": new_id("event"), **event}
        if client_event_id is not None:
            event["client_event_id"] = client_event_id
        text = json.dumps(event, ensure_ascii=False)
        self._unread.dropped(self._outbox.put(text, self.session_id if is_audio else None))

    def _fail(
        self,
        message: str,
        code: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        self._services.metrics.errors.labels(code).inc()
        event = ev.error(message, code=code, kind=kind, param=param, event_id=event_id)
        self._send(event, event_id)
