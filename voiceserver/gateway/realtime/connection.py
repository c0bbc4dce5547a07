"""One client's WebSocket and its session: frames in, effects out. Decisions are made elsewhere.

Everything between a message and its consequences is synchronous, so a reply is stopped before any
socket is written to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceserver.clock import Clock
from voiceserver.config import Limits
from voiceserver.engine.messages import FromEngine
from voiceserver.errors import ClientError, EngineUnavailable
from voiceserver.gateway.auth import accepted_subprotocol
from voiceserver.gateway.engine_client import EngineClient
from voiceserver.gateway.observing import observe
from voiceserver.gateway.outbox import Outbox, ReaderTooSlow
from voiceserver.gateway.realtime import client_events, server_events
from voiceserver.gateway.realtime.clips import ClipReader
from voiceserver.gateway.realtime.encoder import Encoder
from voiceserver.gateway.realtime.requests import Requests
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.realtime.shelf import AudioShelf
from voiceserver.metrics import Metrics
from voiceserver.session import notices as n
from voiceserver.session.session import Session

log = logging.getLogger("voiceserver.gateway")

_GOODBYE_S = 2.0  # for a client to read what is still queued
_CLOSE_NORMAL, _CLOSE_GOING_AWAY, _CLOSE_RESTART, _CLOSE_TRY_LATER = 1000, 1001, 1012, 1013


def new_id(prefix: str) -> str:
    """An identifier never given before."""
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(frozen=True)
class Services:
    """What a connection shares with all others."""

    engine: EngineClient
    clips: ClipReader
    limits: Limits
    metrics: Metrics
    clock: Clock


class Connection:
    """A client from its handshake to its end. The engine's listener for its session."""

    def __init__(self, websocket: WebSocket, services: Services, model: str) -> None:
        self.session_id = new_id("sess")
        self._websocket = websocket
        self._services = services
        self._expires_at = int(time.time() + services.limits.session_s)
        settings = RealtimeSettings(model=model, voice=model)
        limits = services.limits
        self._session = Session(self.session_id, settings.for_session(), limits, new_id)
        shelf = AudioShelf(limits.backlog_s + limits.utterance_s)
        self._requests = Requests(self._session, settings, limits, new_id, shelf)
        self._encoder = Encoder(settings, self._session.conversation.conversation_id, shelf)
        query = websocket.query_params
        self._encoder.with_timing = query.get("timing") == "1"
        self._encoder.with_interim = self._session.ears.show_interim = query.get("interim") == "1"
        self._outbox = Outbox()
        self._told_of_dropping = False
        self._clip_tasks: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Future[tuple[int, str]] | None = None

    # --- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve a client whose session the engine has opened, until it or we end it."""
        self.engine_ready()
        self._ending = asyncio.get_running_loop().create_future()
        await self._websocket.accept(subprotocol=accepted_subprotocol(self._websocket))
        self._send({"type": "session.created", "session": self._session_wire()})
        tasks: set[asyncio.Future[Any]] = {
            asyncio.ensure_future(self._receive_all()),
            asyncio.ensure_future(self._send_all()),
            asyncio.ensure_future(self._expire()),
            self._ending,
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._say_goodbye()
        finally:
            tasks |= self._clip_tasks
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    log.error("%s ended by an error", self.session_id, exc_info=outcome)

    async def _say_goodbye(self) -> None:
        """Close the socket if it was us who ended the session."""
        assert self._ending is not None, "run() makes it"
        if not self._ending.done():
            return
        code, reason = self._ending.result()
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._outbox.emptied()  # by the sender, which is still running
            await self._websocket.close(code, reason)

    def end(self, code: int, reason: str) -> None:
        """Have the socket closed with this code, once what is queued has been sent."""
        if self._ending is not None and not self._ending.done():
            self._ending.set_result((code, reason))

    def server_stops(self) -> None:
        """The server is shutting down."""
        self.end(_CLOSE_RESTART, "the server is shutting down")

    @property
    def busy(self) -> bool:
        """Whether a reply is under way."""
        return self._session.speaker.active is not None

    async def _receive_all(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self.end(_CLOSE_NORMAL, "")
                return
            frame = message.get("text")
            self._take(frame if frame is not None else message.get("bytes") or b"")

    async def _send_all(self) -> None:
        try:
            while True:
                await self._websocket.send_text(await self._outbox.get())
        except ReaderTooSlow as error:
            log.warning("%s: %s", self.session_id, error)
            self.end(_CLOSE_TRY_LATER, "this client does not read what it is sent")
        except (WebSocketDisconnect, RuntimeError, OSError):
            self.end(_CLOSE_NORMAL, "")

    async def _expire(self) -> None:
        limit_s = self._services.limits.session_s
        await asyncio.sleep(limit_s)
        self._fail(f"Your session hit the maximum duration of {limit_s:g} s.", "session_expired")
        self.end(_CLOSE_GOING_AWAY, "session_expired")

    # --- from the client ---------------------------------------------------------------------

    def _take(self, frame: str | bytes) -> None:
        """Carry out one event; whatever is wrong with it, the session lives on."""
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

    # --- from the engine ---------------------------------------------------------------------

    def engine_ready(self) -> None:
        """Learn what the present engine's voice is like."""
        ready = self._services.engine.ready
        if ready is not None:
            self._encoder.voice_rate_hz = ready.voice_rate_hz
            self._session.engine_ready(ready.voice_rate_hz, hears_audio=ready.hears_audio)

    def engine_said(self, message: FromEngine) -> None:
        try:
            self._session.engine_said(message, self._services.clock.now_s())
            self._flush()
        except Exception:
            log.exception("%s: an engine message could not be handled", self.session_id)
            self._fail("The server had an internal error.", "internal_error", "server_error")

    def engine_lost(self) -> None:
        self._session.engine_lost(self._services.clock.now_s())
        self._flush()

    def engine_back(self) -> None:
        self.engine_ready()
        self._session.engine_back()
        self._flush()

    def engine_refused(self, reason: str) -> None:
        self._fail(f"The restarted engine has no place for this session: {reason}", "no_slot")
        self.end(_CLOSE_TRY_LATER, "no slot")

    # --- out ---------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Carry out everything the session wants done."""
        for effect in self._session.drain():
            match effect:
                case n.TellEngine(message):
                    self._services.engine.send(message)
                case n.ReadClip(item_id, part_index):
                    task = asyncio.create_task(self._read_clip(item_id, part_index))
                    self._clip_tasks.add(task)
                    task.add_done_callback(self._clip_tasks.discard)
                case _:
                    self._tell_client(effect)

    def _tell_client(self, notice: n.Effect) -> None:
        observe(notice, self._services.metrics, self._session.speaker.voice_rate_hz)
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
