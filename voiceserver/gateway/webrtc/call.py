"""A Realtime client over WebRTC: its sound over tracks, the protocol over the data channel.

The server plays: it sends sound when it is due, so it knows what was heard. Interrupted, it falls
silent at once, cuts what it remembers to what was sent, and tells the client so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

import numpy as np
from aiortc import RTCIceServer

from voiceserver.audio.resample import StreamingResampler
from voiceserver.errors import ClientError
from voiceserver.gateway.line import CLOSE_NORMAL, CLOSE_TRY_LATER, Line, new_id
from voiceserver.gateway.outbox import Outbox, ReaderTooSlow
from voiceserver.gateway.realtime import server_events as ev
from voiceserver.gateway.realtime.protocol import RealtimeProtocol
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.realtime.shelf import AudioShelf
from voiceserver.gateway.services import Services
from voiceserver.gateway.webrtc.ear import Ear
from voiceserver.gateway.webrtc.peer import QUIET_S, MessageTooLong, Peer, PeerGone
from voiceserver.gateway.webrtc.play_queue import PlayQueue, Sound
from voiceserver.gateway.webrtc.voice_track import OPUS_RATE_HZ, VoiceTrack
from voiceserver.gateway.wire_audio import AudioFormat, OutputAudio
from voiceserver.session import notices as n

log = logging.getLogger("voiceserver.gateway")

CONNECT_S = 20.0  # a peer that cannot be reached by then never will be
_GOODBYE_S = 2.0  # for a client to get what is still queued


class Call(Line):
    """One client. `answer` comes first, then `run`."""

    def __init__(
        self,
        services: Services,
        settings: RealtimeSettings,
        query: Mapping[str, str],
        ice_servers: list[RTCIceServer],
    ) -> None:
        super().__init__(services, settings.for_session())
        self.call_id = new_id("rtc")
        self.serving: asyncio.Task[None] | None = None  # kept from being collected
        self._outbox = Outbox()
        self._shelf = AudioShelf(services.limits.backlog_s + services.limits.utterance_s)
        self.protocol = RealtimeProtocol(
            self._session, settings, services, self._outbox, self._flush, self._shelf, self._clear
        )
        self.protocol.extend(query)
        self._queue = PlayQueue(OPUS_RATE_HZ, self)
        self._peer = Peer(VoiceTrack(self._queue), self.protocol.take, ice_servers)
        self._ear = Ear()
        self._mouth: StreamingResampler | None = None  # of the reply being spoken
        self._copy: OutputAudio | None = None  # of it, for the shelf
        self._cut: list[Sound] = []  # stopped, and the client has not been told
        self._playout = self._session.speaker.playout
        self._playout.reported = True
        self._playout.on_flushed = self._hush

    # --- life --------------------------------------------------------------------------------

    async def answer(self, offer: str) -> str:
        """The SDP answer to the client's offer; raises ClientError."""
        return await self._peer.answer(offer)

    async def abandon(self) -> None:
        """Let go of a call that never began."""
        await self._peer.close()

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self.protocol.close()
            await self._peer.close()

    @property
    def busy(self) -> bool:
        return super().busy or self._queue.unfinished

    def hang_up(self) -> None:
        """Somebody asked for the call to end."""
        self.end(CLOSE_NORMAL, "hung up")

    async def _open(self) -> None:
        self.protocol.begin()  # waits in the outbox for the channel

    async def _receive_all(self) -> None:
        self._tasks.add(asyncio.create_task(self._listen()))
        try:
            await asyncio.wait_for(self._peer.connected.wait(), CONNECT_S)
        except TimeoutError:
            log.info("%s: the peer could not be reached", self.session_id)
        else:
            await self._peer.over.wait()
        self.end(CLOSE_NORMAL, "")

    async def _listen(self) -> None:
        async for frame in self._peer.frames():
            if frame is not None:
                pcm16 = self._ear.hear(frame)
            elif self._session.ears.current_item_id is not None:
                # A turn ends, though its sender falls silent without sending silence.
                pcm16 = self._ear.pause(QUIET_S)
            else:
                continue
            try:
                self.protocol.requests.hear(pcm16, self._now_s())
            except ClientError as error:
                self.protocol.fail(str(error), error.code, error.kind, error.param)
            except Exception:
                log.exception("%s: sound could not be taken in", self.session_id)
            self._flush()

    async def _send_all(self) -> None:
        try:
            while True:
                frame = await self._outbox.get()
                assert isinstance(frame, str), "events are text"
                try:
                    await self._peer.send(frame)
                except MessageTooLong:
                    message = "An event is longer than your data channel takes; it was left out."
                    self._fail(message, "event_too_long", "server_error")
        except ReaderTooSlow as error:
            log.warning("%s: %s", self.session_id, error)
            self.end(CLOSE_TRY_LATER, "this client does not read what it is sent")
        except PeerGone:
            self.end(CLOSE_NORMAL, "")

    async def _close(self, code: int, reason: str) -> None:
        if self._peer.over.is_set() or not self._peer.connected.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._outbox.emptied()  # by the sender, which is still running
                await self._peer.drained()

    def _now_s(self) -> float:
        return self._services.clock.now_s()

    # --- to the client -----------------------------------------------------------------------

    def engine_ready(self) -> None:
        super().engine_ready()
        self.protocol.engine_ready()

    def _fail(self, message: str, code: str, kind: str = "invalid_request_error") -> None:
        self.protocol.fail(message, code, kind)

    def _tell_client(self, notice: n.Effect) -> None:
        match notice:
            case n.ReplyAudio(reply, pcm16):
                if self._mouth is None or self._copy is None:
                    rate_hz = self._session.speaker.voice_rate_hz
                    self._mouth = StreamingResampler(rate_hz, OPUS_RATE_HZ)
                    self._copy = OutputAudio(AudioFormat.PCM, rate_hz)
                self._say(reply, self._mouth.process(np.frombuffer(pcm16, "<i2")))
                self._shelf.speak(reply.item_id, AudioFormat.PCM, self._copy.encode(pcm16))
            case n.ReplyText(reply, delta) if reply.speak and self.protocol.with_timing:
                start_s = round(self._queue.pushed_s(reply.response_id), 3)
                kind = "output_audio_transcript.delta"
                event = ev.response_event(kind, reply, delta=delta, start_time=start_s)
                self.protocol.send(event)
            case n.ReplyDone(reply):
                if self._mouth is not None and reply.status != "cancelled":
                    self._say(reply, self._mouth.flush())
                self._mouth = self._copy = None
                self.protocol.tell(notice)
                self._queue.finish(reply.response_id)
            case _:
                self.protocol.tell(notice)

    def _say(self, reply: n.ReplyInfo, samples: np.ndarray) -> None:
        if len(samples) and self._queue.push(reply, samples):
            self.protocol.unread.dropped(1)

    # --- what becomes of the sound -----------------------------------------------------------

    def sound_began(self, sound: Sound) -> None:
        self._tell_of_sound("started", sound)

    def sound_went(self, sound: Sound) -> None:
        heard_s = sound.taken_samples / OPUS_RATE_HZ
        self._playout.played(sound.reply.item_id, heard_s, self._now_s())

    def sound_ended(self, sound: Sound) -> None:
        self._tell_of_sound("stopped", sound)

    def _tell_of_sound(self, what: str, sound: Sound) -> None:
        kind = f"output_audio_buffer.{what}"
        self.protocol.send({"type": kind, "response_id": sound.reply.response_id})

    # --- interruptions -----------------------------------------------------------------------

    def _clear(self, now_s: float) -> None:
        """The client wants silence: the reply that sounds ends, too."""
        active = self._session.speaker.active
        if active is not None and self._queue.holds(active.response_id):
            self._session.cancel_response(active.response_id, now_s)
        self._session.speaker.hush(now_s)
        self._hush()

    def _hush(self) -> None:
        """Let nothing more be heard of what is queued. The client is told by `_flush`."""
        self._cut += self._queue.clear()

    def _flush(self) -> None:
        super()._flush()
        cut, self._cut = self._cut, []
        for sound in cut:
            if sound.begun:
                self._tell_of_sound("cleared", sound)
            self._remember_cut(sound)
        if cut:
            super()._flush()

    def _remember_cut(self, sound: Sound) -> None:
        """What was not heard of a reply was not said."""
        if not sound.reply.in_conversation:
            return
        heard_ms = sound.taken_samples * 1000 // OPUS_RATE_HZ
        with contextlib.suppress(ClientError):  # the item has been deleted
            self._session.truncate_item(sound.reply.item_id, 0, heard_ms, self._now_s())
