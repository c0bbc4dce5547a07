"""A call over a Twilio media stream: mu-law both ways, marks tell what has been played."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from starlette.websockets import WebSocket

from voiceserver.errors import ClientError
from voiceserver.gateway.line import CLOSE_NORMAL
from voiceserver.gateway.phone import twilio_messages as tm
from voiceserver.gateway.phone.telephone import CALL_SETTINGS, Telephone
from voiceserver.gateway.state import Services
from voiceserver.gateway.websocket_line import WebSocketLine
from voiceserver.gateway.wire_audio import AudioFormat
from voiceserver.session import notices as n

log = logging.getLogger("voiceserver.gateway")

PIECE_BYTES = 800  # 100 ms: how finely the played position is known
MOST_MARKS = 4096  # awaited at once: of seven minutes of sound
START_S = 10.0  # a stream that has not begun by then is none


class TwilioCall(WebSocketLine):
    """One caller. The session listens from the moment the stream has started."""

    def __init__(self, websocket: WebSocket, services: Services) -> None:
        super().__init__(websocket, services, CALL_SETTINGS)
        self._session.speaker.playout.reported = True
        self._telephone = Telephone(self._session, AudioFormat.ULAW, self)
        self._stream_id: str | None = None
        self._marks: dict[str, tuple[str, float]] = {}  # awaited: name -> (item, seconds of it)
        self._marks_made = 0
        self._item_id = ""  # of the newest sound
        self._item_bytes = 0
        self._started = asyncio.Event()

    async def _open(self) -> None:
        await super()._open()
        self._tasks.add(asyncio.create_task(self._await_start()))

    async def _await_start(self) -> None:
        try:
            await asyncio.wait_for(self._started.wait(), START_S)
        except TimeoutError:
            self.end(CLOSE_NORMAL, "no start message")

    async def _close(self, code: int, reason: str) -> None:
        self._telephone.keypad.close()
        await super()._close(code, reason)

    # --- from the caller ---------------------------------------------------------------------

    def _take(self, frame: str | bytes) -> None:
        try:
            message = tm.read(frame)
            if self._stream_id is not None:
                self._carry_out(message)
            elif isinstance(message, tm.Started):
                self._start(message)
        except ClientError as error:
            self._fail(str(error), error.code)
        except Exception:
            log.exception("%s: a message of a call could not be carried out", self.session_id)
            self._fail("internal error", "internal_error", "server_error")
        self.flush()

    def _start(self, started: tm.Started) -> None:
        self._stream_id = started.stream_id
        log.info("%s is call %s", self.session_id, started.call_id)
        if instructions := started.parameters.get("instructions"):
            settings = dataclasses.replace(CALL_SETTINGS, instructions=instructions)
            self._session.configure(settings)
        self._started.set()

    def _carry_out(self, message: tm.Message | None) -> None:
        match message:
            case tm.Heard(data):
                self._telephone.hear(data)
            case tm.Pressed(key):
                self._telephone.press(key)
            case tm.Played(mark):
                self._played(mark)
            case tm.Stopped():
                self.end(CLOSE_NORMAL, "the call is over")

    def _played(self, name: str) -> None:
        """Everything up to a mark has been played; marks of cleared sound are not awaited."""
        if name not in self._marks:
            return
        while (oldest := next(iter(self._marks))) != name:
            del self._marks[oldest]
        item_id, seconds = self._marks.pop(name)
        self._session.speaker.playout.played(item_id, seconds, self.now_s())

    # --- to the caller -----------------------------------------------------------------------

    def now_s(self) -> float:
        return self._services.clock.now_s()

    def flush(self) -> None:
        self._flush()

    def _tell_client(self, notice: n.Effect) -> None:
        self._telephone.tell(notice)

    def play(self, reply: n.ReplyInfo, data: bytes) -> None:
        assert self._stream_id is not None, "nobody speaks before the stream has started"
        if reply.item_id != self._item_id:
            self._item_id, self._item_bytes = reply.item_id, 0
        for at in range(0, len(data), PIECE_BYTES):
            piece = data[at : at + PIECE_BYTES]
            self._item_bytes += len(piece)
            self._put(tm.media(self._stream_id, piece), reply.response_id)
            self._put(tm.mark(self._stream_id, self._next_mark()), reply.response_id)

    def _next_mark(self) -> str:
        self._marks_made += 1
        name = str(self._marks_made)
        seconds = self._item_bytes / self._telephone.coding.rate_hz
        self._marks[name] = (self._item_id, seconds)
        if len(self._marks) > MOST_MARKS:
            del self._marks[next(iter(self._marks))]
        return name

    def _put(self, message: str, response_id: str) -> None:
        if dropped := self._outbox.put(message, response_id):
            self._services.metrics.audio_dropped.inc(dropped)

    def hush(self) -> None:
        if self._marks and self._stream_id is not None:
            self._marks.clear()
            self._outbox.drop_audio()
            self._outbox.put(tm.clear(self._stream_id))

    def _fail(self, message: str, code: str, kind: str = "invalid_request_error") -> None:
        """A telephone has nobody to tell."""
        self._services.metrics.errors.labels(code).inc()
        log.info("%s: %s", self.session_id, message)
