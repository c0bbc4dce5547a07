"""A call over a media stream: G.711 both ways, marks tell what has been played."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

from starlette.websockets import WebSocket

from voiceserver.gateway.line import CLOSE_NORMAL
from voiceserver.gateway.phone import dialects as d
from voiceserver.gateway.phone.phone_socket import PhoneSocket
from voiceserver.gateway.services import Services
from voiceserver.gateway.wire_audio import AudioFormat
from voiceserver.session import notices as n

log = logging.getLogger("voiceserver.gateway")

PIECE_BYTES = 800  # 100 ms: how finely the played position is known
ASKS = "transfer"  # the parameter by which a call says that it asks to whom it goes in the end
MOST_MARKS = 4096  # awaited at once: of seven minutes of sound


class StreamCall(PhoneSocket):
    """One caller. The session listens from the moment the stream has started."""

    def __init__(self, websocket: WebSocket, services: Services, dialect: d.Dialect) -> None:
        super().__init__(websocket, services, AudioFormat.ULAW)
        self._session.speaker.playout.reported = True
        self._dialect = dialect
        self._stream_id: str | None = None
        self._marks: dict[str, tuple[str, float]] = {}  # awaited: name -> (item, seconds of it)
        self._marks_made = 0
        self._item_id = ""  # of the newest sound
        self._item_bytes = 0

    # --- from the caller ---------------------------------------------------------------------

    def _read(self, frame: str | bytes) -> None:
        message = d.read(frame, self._dialect)
        if self._stream_id is not None:
            self._carry_out(message)
        elif isinstance(message, d.Started):
            self._start(message)

    def _start(self, started: d.Started) -> None:
        self._stream_id = started.stream_id
        log.info("%s is call %s", self.session_id, started.call_id)
        self._telephone.recode(started.coding)
        self._begin(started.parameters)
        if started.parameters.get(ASKS) == "yes":
            self._known_as(started.call_id)

    def _carry_out(self, message: d.Message | None) -> None:
        match message:
            case d.Heard(data):
                self._telephone.hear(data)
            case d.Pressed(key):
                self._telephone.press(key)
            case d.Played(mark):
                self._played(mark)
            case d.Stopped():
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

    def play(self, reply: n.ReplyInfo, data: bytes) -> None:
        assert self._stream_id is not None, "nobody speaks before the stream has started"
        if reply.item_id != self._item_id:
            self._item_id, self._item_bytes = reply.item_id, 0
        for at in range(0, len(data), PIECE_BYTES):
            piece = data[at : at + PIECE_BYTES]
            self._item_bytes += len(piece)
            payload = base64.b64encode(piece).decode()
            self._put(self._dialect.media(self._stream_id, payload), reply.response_id)
            mark = self._dialect.mark(self._stream_id, self._next_mark())
            self._put(mark, reply.response_id)

    def _next_mark(self) -> str:
        self._marks_made += 1
        name = str(self._marks_made)
        seconds = self._item_bytes / self._telephone.coding.rate_hz
        self._marks[name] = (self._item_id, seconds)
        if len(self._marks) > MOST_MARKS:
            del self._marks[next(iter(self._marks))]
        return name

    def _put(self, message: dict[str, Any], response_id: str) -> None:
        if dropped := self._outbox.put(json.dumps(message), response_id):
            self._services.metrics.audio_dropped.inc(dropped)

    def hush(self) -> None:
        if self._marks and self._stream_id is not None:
            self._marks.clear()
            self._outbox.drop_audio()
            self._outbox.put(json.dumps(self._dialect.clear(self._stream_id)))
