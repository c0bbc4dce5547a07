"""The Realtime protocol, whatever carries it: a client's events in, the session's notices out.

The transport owns the session, the outbox and the sockets; it hands in what came and sends what is
put into the outbox.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from voiceserver.errors import ClientError, EngineUnavailable
from voiceserver.gateway.line import new_id
from voiceserver.gateway.mcp.toolbox import Toolbox
from voiceserver.gateway.outbox import Outbox
from voiceserver.gateway.realtime import client_events, server_events
from voiceserver.gateway.realtime.client_events import AnyClientEvent, ResponseCreate
from voiceserver.gateway.realtime.encoder import Encoder
from voiceserver.gateway.realtime.requests import ClearOutput, Requests
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.realtime.shelf import AudioShelf
from voiceserver.gateway.services import Services
from voiceserver.gateway.told_once import Unread
from voiceserver.session import notices as n
from voiceserver.session.session import Session

log = logging.getLogger("voiceserver.gateway")

_ANSWERS = ("error", "conversation.item.retrieved")  # only for the client that asked


class RealtimeProtocol:
    """One client's side of the protocol, and that of others who join its session.

    `flush` carries out what the session wants done.
    """

    def __init__(
        self,
        session: Session,
        settings: RealtimeSettings,
        services: Services,
        outbox: Outbox,
        flush: Callable[[], None],
        shelf: AudioShelf,
        clear_output: ClearOutput | None = None,
    ) -> None:
        """With `clear_output` sound comes and goes over tracks, which the server clears itself."""
        self._session = session
        self._services = services
        self._toolbox = Toolbox(
            services.mcp_access, session.tool_calls, self._tools_changed, services.clock.now_s
        )
        self.requests = Requests(
            session, settings, services.limits, new_id, shelf, self._toolbox, clear_output
        )
        self.over = asyncio.Event()
        self._outbox = outbox
        self._joined: list[Outbox] = []
        self._asking: Outbox | None = None  # of whose event is being carried out
        self._sound_beside = clear_output is not None
        self._flush = flush
        self._encoder = Encoder(settings, session.conversation.conversation_id, shelf)
        self._expires_at = int(time.time() + services.limits.session_s)
        self._tasks: set[asyncio.Task[None]] = set()
        self.unread = Unread(
            services.metrics, lambda: self.fail(Unread.MESSAGE, Unread.CODE, "server_error")
        )

    def extend(self, query: Mapping[str, str]) -> None:
        """Send the events of our own that the client asks for, see endpoint.py."""
        self._encoder.with_timing = query.get("timing") == "1"
        self._encoder.with_interim = self._session.ears.show_interim = query.get("interim") == "1"

    @property
    def with_timing(self) -> bool:
        """Whether the client asked to be told when things happen."""
        return self._encoder.with_timing

    def begin(self) -> None:
        """Greet the client."""
        self.send({"type": "session.created", "session": self._session_wire()})
        self._toolbox.want(self.requests.settings.tools, only=True)
        self._flush()

    @property
    def joined_count(self) -> int:
        """How many have joined the session."""
        return len(self._joined)

    @contextmanager
    def joined(self, outbox: Outbox) -> Iterator[None]:
        """One more client of the session: it is told what happens, and may ask for things."""
        self._put({"type": "session.created", "session": self._session_wire()}, [outbox])
        self._joined.append(outbox)
        try:
            yield
        finally:
            self._joined.remove(outbox)

    async def close(self) -> None:
        """The session is over."""
        self.over.set()
        for task in self._tasks:
            task.cancel()
        await self._toolbox.close()

    # --- from the client ---------------------------------------------------------------------

    def take(self, frame: str | bytes, joined: Outbox | None = None) -> None:
        """Carry out one event, of who joined with that outbox if it is given.

        Whatever is wrong with it, the session lives on.
        """
        self._asking = self._outbox if joined is None else joined
        # A data channel would be blocked for seconds by the sound of an item.
        self._encoder.with_item_sound = joined is not None or not self._sound_beside
        try:
            self._carry_out(client_events.parse(frame))
        except ClientError as error:
            event_id = getattr(error, "event_id", None)
            self.fail(str(error), error.code, error.kind, error.param, event_id)
        finally:
            self._asking = None

    def _carry_out(self, event: AnyClientEvent, *, told: bool = False) -> None:
        """`told`: the servers of tools it names have been waited for."""
        try:
            if isinstance(event, ResponseCreate) and not told and self._asks_new_servers(event):
                self._start(self._respond_when_told(event))
            elif self.requests.carry_out(event, self._services.clock.now_s()):
                self._encoder.settings = self.requests.settings
                self.send({"type": "session.updated", "session": self._session_wire()})
        except ClientError as error:
            self.fail(str(error), error.code, error.kind, error.param, event.event_id)
        except Exception:
            log.exception("%s: a client event could not be carried out", self._session.session_id)
            message = "The server had an error while processing this event."
            self.fail(message, "internal_error", "server_error", None, event.event_id)
        self._flush()

    # --- tools of servers --------------------------------------------------------------------

    def _tools_changed(self) -> None:
        self.requests.tools_changed()
        self._flush()

    def _asks_new_servers(self, event: ResponseCreate) -> bool:
        """Whether a response has servers of its own that must tell their tools first."""
        tools = self.requests.servers_of(event)
        self._toolbox.want(tools, only=False)
        return not self._toolbox.all_told(tools)

    async def _respond_when_told(self, event: ResponseCreate) -> None:
        await self._toolbox.told(self.requests.servers_of(event))
        self._carry_out(event, told=True)

    def _session_wire(self) -> dict[str, Any]:
        return self.requests.settings.wire(self._session.session_id, self._expires_at)

    # --- to the client -----------------------------------------------------------------------

    def engine_ready(self) -> None:
        """Learn what the present engine's voice is like."""
        self._encoder.voice_rate_hz = self._session.speaker.voice_rate_hz

    def tell(self, notice: n.Effect) -> None:
        """Queue the events of a notice."""
        if isinstance(notice, n.ReadClip):
            self._start(self._read_clip(notice.item_id, notice.part_index))
            return
        if isinstance(notice, n.RunTool):
            self._toolbox.run(notice.item)
            return
        if isinstance(notice, n.ReplyDone) and notice.reply.status == "cancelled":
            self._outbox.drop_audio(notice.reply.response_id)
        for event in self._encoder.events(notice):
            self.send(event)

    def send(self, event: dict[str, Any]) -> None:
        """Queue an event; sound that a slow client leaves unread is dropped, and it is told."""
        if event["type"] in _ANSWERS and self._asking is not None:
            self._put(event, [self._asking])
        else:
            self._put(event, [self._outbox, *self._joined])

    def _put(self, event: dict[str, Any], outboxes: list[Outbox]) -> None:
        is_audio = event["type"] == "response.output_audio.delta"
        text = json.dumps({"event_id": new_id("event"), **event}, ensure_ascii=False)
        for outbox in outboxes:
            self.unread.dropped(outbox.put(text, event["response_id"] if is_audio else None))

    def fail(
        self,
        message: str,
        code: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        """Send an error; the session lives on."""
        self._services.metrics.errors.labels(code).inc()
        self.send(
            server_events.error(message, code=code, kind=kind, param=param, event_id=event_id)
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read_clip(self, item_id: str, part_index: int) -> None:
        """Have audio inside an item transcribed."""
        pcm16 = self.requests.clips.pop((item_id, part_index))
        try:
            text = await self._services.clips.read(pcm16)
        except EngineUnavailable as error:
            self._session.clip_failed(item_id, part_index, str(error))
        else:
            audio_s = len(pcm16) / 32_000
            self._session.clip_read(item_id, part_index, text, audio_s)
        self._flush()
