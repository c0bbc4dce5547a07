"""A Live session that has started: what the client asks, what the session does, what time brings.

Without input or output of its own: events to be sent go to `say`, and every call is told the time.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from typing import Any

from voiceserver.errors import ClientError
from voiceserver.gateway.line import new_id
from voiceserver.gateway.live import client_events as ce
from voiceserver.gateway.live import server_events as ev
from voiceserver.gateway.live.backend_items import read_item
from voiceserver.gateway.live.context import Context
from voiceserver.gateway.live.delegations import ClientDelegations, ResponsesDelegations
from voiceserver.gateway.live.fixture import Fixture, fixture_active
from voiceserver.gateway.live.floor import Floor
from voiceserver.gateway.live.microphone import Microphone
from voiceserver.gateway.live.pacer import Delta, Pacer
from voiceserver.gateway.live.settings import LiveSettings
from voiceserver.gateway.live.voice import STREAM, Voice
from voiceserver.gateway.realtime.wire_items import decode_base64
from voiceserver.session import notices as n
from voiceserver.session.session import Session
from voiceserver.session.timing import to_ms

USAGE_EVERY_S = 10.0
Wire = dict[str, Any]
Say = Callable[[Wire], None]


class LiveCall:
    """One client's session from session.started on."""

    def __init__(self, session: Session, settings: LiveSettings, now_s: float, say: Say) -> None:
        self.settings = settings
        self.pacer = Pacer(settings.coding.rate_hz, now_s)
        self._session = session
        self._say = say
        self._microphone = Microphone(session, settings.coding, now_s)
        self._voice = Voice(session, self.pacer)
        self._floor = Floor(session)
        self._fixture = Fixture(self.pacer)
        self._client = ClientDelegations(session)
        self._responses = ResponsesDelegations(settings.model)
        self._context = Context(session, self._floor)
        self._spans: dict[str, tuple[int, int]] = {}  # of turns not yet read: samples
        self._heard_before = False
        self._reported = self.pacer.played
        self._usage_due_s = now_s + USAGE_EVERY_S
        session.speaker.playout.reported = True
        session.configure(settings.for_session())
        for item in settings.history_items(new_id):
            session.create_item(item, None)

    # --- from the client ---------------------------------------------------------------------

    def carry_out(self, event: ce.AnyClientEvent, now_s: float) -> Wire | None:
        """Do what an event asks; return the acknowledgement, if it has one. Raises ClientError."""
        match event:
            case ce.AudioAppend(audio=audio):
                self._microphone.hear(decode_base64(audio, "audio"), now_s)
            case ce.AudioMute():
                self._microphone.muted = True
                return {"type": "session.input_audio.muted"}
            case ce.AudioUnmute():
                self._microphone.muted = False
                return {"type": "session.input_audio.unmuted"}
            case ce.ContextAppend():
                return self._append(event, now_s)
            case ce.ResponseItemCreate(item=body):
                self._need_responses()
                self._add_backend_item(body)
            case ce.ResponseCreate():
                self._need_responses()
                self._responses.go_on()
                self._floor.want()
            case ce.FixturePlay(audio=audio):
                self._play(decode_base64(audio, "audio"), now_s)
                return {"type": "session.output_audio.fixture.playing"}
            case ce.DecisionEvent():
                message = "This session does not delegate to Decisions; this server has none."
                raise ClientError(message, code="decisions_delegation_required")
        return None

    def _append(self, event: ce.ContextAppend, now_s: float) -> Wire:
        if self._fixture.playing:
            raise fixture_active()
        if event.delegation_id is not None and event.delegation_id not in self._client:
            raise ClientError(
                f"There is no client delegation {event.delegation_id[:100]!r} in this session.",
                code="invalid_value",
                param="delegation_id",
            )
        kind = event.type.split(".")[1]
        match kind:
            case "instructions":
                self.settings = self.settings.with_instructions(event.content)
                self._session.configure(self.settings.for_session())
            case "thinking":
                self._context.think(event.content)
            case "commentary":
                self._context.comment(event.content)
        now_ms = self.pacer.ms_at(now_s)
        return {"type": f"session.{kind}.appended", "start_ms": now_ms, "end_ms": now_ms}

    def _need_responses(self) -> None:
        if self.settings.delegation.type != "responses":
            raise ClientError(
                "This session does not delegate to Responses.",
                code="responses_delegation_required",
            )

    def _add_backend_item(self, body: Wire) -> None:
        item = read_item(body, new_id)
        if item.kind == "function_call_output":
            self._responses.answered(item.call_id)
        self._session.create_item(item, None)

    def _play(self, data: bytes, now_s: float) -> None:
        samples = self._fixture.read(data)
        self._session.speaker.hush(now_s)
        while self._session.speaker.active is not None:  # the end of one may begin another
            self._session.cancel_response(None, now_s)
        self._voice.hush()
        self._fixture.play(samples)
        self._microphone.blocked = True

    # --- from the session --------------------------------------------------------------------

    def tell(self, notice: n.Effect, now_s: float) -> None:
        """What the client gets to hear and to read of a notice."""
        self._floor.heed(notice)
        if not (isinstance(notice, n.StreamAudio) and self._fixture.playing):
            self._voice.tell(notice)
        match notice:
            case n.SpeechStarted() if self._user_interrupts and not self._fixture.playing:
                self._voice.hush()
            case n.Committed(item_id, _, start_sample, end_sample):
                self._spans[item_id] = (start_sample, end_sample)
            case n.Transcribed(item_id, _, text):
                self._user_said(item_id, text)
            case n.TranscriptionFailed(item_id, _, message):
                self._spans.pop(item_id, None)
                self._say(ev.info("input_transcription_failed", message))
            case n.ReplyCreated(reply):
                for event in self._responses.created(reply):
                    self._say(event)
            case n.ReplyDone(reply):
                self._reply_done(reply, now_s)
            case n.Failure(message, code, kind):
                self._say(ev.error(message, code=code, kind=kind))

    @property
    def _user_interrupts(self) -> bool:
        """Whether the user's voice ends ours; a model that speaks always decides that itself."""
        turns = self._session.settings.turns
        return turns is not None and turns.interrupt_response

    @property
    def busy(self) -> bool:
        """Whether the assistant is saying something that will come to an end."""
        return self.pacer.speaking and not self.pacer.holds(STREAM)

    def _user_said(self, item_id: str, text: str) -> None:
        start_sample, end_sample = self._spans.pop(item_id, (0, 0))
        if text:
            lead = " " if self._heard_before else ""
            self._heard_before = True
            span = to_ms(start_sample), to_ms(end_sample)
            self._say(ev.transcript("input", lead + text, *span))

    def _reply_done(self, reply: n.ReplyInfo, now_s: float) -> None:
        if reply.status == "failed" and reply.error_code != "engine_restarted":  # has been told
            code = reply.error_code or "reply_failed"
            self._say(ev.error(reply.error_message, code=code, kind="server_error"))
        to_client = self.settings.delegation.type == "client"
        delegations = self._client if to_client else self._responses
        for event in delegations.ended(reply, self.pacer.ms_at(now_s)):
            self._say(event)

    # --- from the clock ----------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Be called whenever a delta is due."""
        self._report_played(now_s)
        for delta in self.pacer.due(now_s):
            self._send(delta)
        if self._fixture.ended():
            self._microphone.blocked = False
            self._say({"type": "session.output_audio.fixture.played"})
        with contextlib.suppress(ClientError):  # an engine that does not keep up has enough to do
            self._microphone.keep_on(now_s)
        if not self._fixture.playing:
            self._floor.take(now_s)
        if now_s >= self._usage_due_s:
            self._usage_due_s += USAGE_EVERY_S
            self._say({"type": "session.usage.updated", "usage": self.usage(now_s)})

    def _report_played(self, now_s: float) -> None:
        """All that was sent before has been played by now: that is when the next is sent."""
        if self.pacer.played != self._reported:
            self._reported = item_id, seconds = self.pacer.played
            self._session.speaker.playout.played(item_id, seconds, now_s)

    def _send(self, delta: Delta) -> None:
        rate_hz = self.pacer.rate_hz
        for piece in delta.fragments:
            span = piece.start_sample * 1000 // rate_hz, piece.end_sample * 1000 // rate_hz
            self._say(ev.transcript("output", piece.text, *span))
        data = base64.b64encode(self.settings.coding.to_bytes(delta.samples)).decode()
        self._say({"type": "session.output_audio.delta", "delta": data})

    def usage(self, now_s: float) -> Wire:
        """How long the session has lasted."""
        return {"seconds": round(self.pacer.ms_at(now_s) / 1000, 3)}
