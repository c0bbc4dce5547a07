"""From a session's notices to the protocol's events, in the protocol's order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from voiceserver.gateway.realtime import server_events as ev
from voiceserver.gateway.realtime.settings import RealtimeSettings, ReplySound
from voiceserver.gateway.realtime.shelf import AudioShelf
from voiceserver.gateway.realtime.wire_items import item_wire
from voiceserver.gateway.realtime.wire_mcp import progress_event
from voiceserver.gateway.wire_audio import OutputAudio
from voiceserver.session import notices as n

Wire = dict[str, Any]


class Encoder:
    """Encodes one connection's notices. Holds the resampler of the reply being spoken."""

    def __init__(self, settings: RealtimeSettings, conversation_id: str, shelf: AudioShelf) -> None:
        self.settings = settings
        self.voice_rate_hz = 0  # told by the engine
        self.with_timing = False  # our own opt-in events
        self.with_interim = False
        self.with_item_sound = True  # in items that are retrieved
        self._conversation_id = conversation_id
        self._shelf = shelf
        self._sound = settings.sound  # of the reply under way
        self._audio: OutputAudio | None = None
        self._spoken_samples = 0  # of that reply, at the voice's rate

    def events(self, notice: n.Effect) -> Iterator[Wire]:
        """The events that tell the client of this notice."""
        match notice:
            case n.ReplyCreated() | n.ReplyItemAdded() | n.ReplyText() | n.ReplyAudio():
                yield from self._reply_events(notice)
            case n.ReplyDone(reply, previous_item_id):
                yield from self._reply_done(reply, previous_item_id)
            case n.Transcribed() | n.TranscriptionFailed() | n.Interim():
                yield from self._transcription_events(notice)
            case n.TurnTimed() | n.InterruptionTimed():
                if self.with_timing:
                    name = "turn" if isinstance(notice, n.TurnTimed) else "interruption"
                    yield {"type": f"voiceserver.{name}.timing", **asdict(notice)}
            case n.EndCall(item):
                yield {"type": "voiceserver.call.hang_up", "item_id": item.item_id}
            case n.ToolProgress():
                yield progress_event(notice)
            case n.Failure(message, code, kind):
                yield ev.error(message, code=code, kind=kind)
            case n.ItemRetrieved(item):
                sound = None
                if self.with_item_sound:
                    sound = self._shelf.audio(item.item_id, self.settings.output_format)
                event = {"type": "conversation.item.retrieved"}
                yield event | {"item": item_wire(item, audio=sound, whole=True)}
            case _:
                self._file_sound(notice)
                yield from _input_events(notice)

    def _file_sound(self, notice: n.Effect) -> None:
        """Keep the shelf in step with the conversation."""
        match notice:
            case n.Committed(item_id, _, start_sample, end_sample):
                self._shelf.commit(item_id, start_sample, end_sample)
            case n.ItemTruncated(item_id, _, audio_end_ms):
                self._shelf.truncate(item_id, audio_end_ms)

    def _transcription_events(
        self, notice: n.Transcribed | n.TranscriptionFailed | n.Interim
    ) -> Iterator[Wire]:
        if isinstance(notice, n.Interim):
            if self.with_interim:
                yield {
                    "type": "voiceserver.input_transcript.interim",
                    "item_id": notice.item_id,
                    "transcript": notice.text,
                }
        elif self.settings.heard_transcription is None:
            return
        elif isinstance(notice, n.TranscriptionFailed):
            yield ev.transcription_failed(notice.item_id, notice.part_index, notice.message)
        else:
            if notice.text:
                yield ev.transcription_delta(notice.item_id, notice.part_index, notice.text)
            yield ev.transcription_completed(
                notice.item_id, notice.part_index, notice.text, notice.audio_s
            )

    def _reply_events(
        self, notice: n.ReplyCreated | n.ReplyItemAdded | n.ReplyText | n.ReplyAudio
    ) -> Iterator[Wire]:
        reply = notice.reply
        match notice:
            case n.ReplyCreated():
                asked = reply.sound
                self._sound = asked if isinstance(asked, ReplySound) else self.settings.sound
                self._audio, self._spoken_samples = None, 0
                response = ev.response_wire(reply, self._sound, self._conversation_id)
                yield {"type": "response.created", "response": response}
            case n.ReplyItemAdded(item=item, previous_item_id=before):
                yield ev.output_item_event("added", reply, item, begun_only=True)
                if reply.in_conversation:
                    yield ev.item_event("added", item, before, begun_only=True)
                part = ev.part_wire(reply, "")
                yield ev.response_event("content_part.added", reply, part=part)
            case n.ReplyText(delta=delta):
                yield self._text_delta(reply, delta)
            case n.ReplyAudio(pcm16=pcm16):
                if self._audio is None:
                    self._audio = OutputAudio(self._sound.format, self.voice_rate_hz)
                self._spoken_samples += len(pcm16) // 2
                yield from self._audio_delta(reply, self._audio, self._audio.encode(pcm16))

    def _text_delta(self, reply: n.ReplyInfo, delta: str) -> Wire:
        if not reply.speak:
            return ev.response_event("output_text.delta", reply, delta=delta)
        # Not in the reference, but LiveKit shows words as they are heard where it is told when.
        start_s = self._spoken_samples / self.voice_rate_hz if self._spoken_samples else 0.0
        fields = {"delta": delta, "start_time": round(start_s, 3)}
        return ev.response_event("output_audio_transcript.delta", reply, **fields)

    def _audio_delta(self, reply: n.ReplyInfo, audio: OutputAudio, data: bytes) -> Iterator[Wire]:
        if data:
            self._shelf.speak(reply.item_id, audio.format, data)
            delta = base64.b64encode(data).decode()
            yield ev.response_event("output_audio.delta", reply, delta=delta)

    def _reply_done(self, reply: n.ReplyInfo, previous_item_id: str | None) -> Iterator[Wire]:
        audio, self._audio = self._audio, None
        if reply.item is not None:
            text = reply.item.text
            if reply.speak:
                if audio is not None and reply.status != "cancelled":
                    yield from self._audio_delta(reply, audio, audio.flush())
                yield ev.response_event("output_audio.done", reply)
                yield ev.response_event("output_audio_transcript.done", reply, transcript=text)
            else:
                yield ev.response_event("output_text.done", reply, text=text)
            part = ev.part_wire(reply, text)
            yield ev.response_event("content_part.done", reply, part=part)
            if reply.in_conversation:
                yield ev.item_event("done", reply.item, previous_item_id, begun_only=False)
            yield ev.output_item_event("done", reply, reply.item)
        for index, called in enumerate(reply.calls, start=0 if reply.item is None else 1):
            yield from ev.call_events(reply, called, index)
        response = ev.response_wire(reply, self._sound, self._conversation_id)
        yield {"type": "response.done", "response": response}


def _input_events(notice: n.Effect) -> Iterator[Wire]:
    """Events about the user's audio and the conversation's items."""
    buffer, item_name = "input_audio_buffer", "conversation.item"
    match notice:
        case n.SpeechStarted(item_id, start_ms):
            yield {
                "type": f"{buffer}.speech_started",
                "item_id": item_id,
                "audio_start_ms": start_ms,
            }
        case n.SpeechStopped(item_id, end_ms):
            yield {"type": f"{buffer}.speech_stopped", "item_id": item_id, "audio_end_ms": end_ms}
        case n.IdleTimeout(item_id, start_ms, end_ms):
            yield {
                "type": f"{buffer}.timeout_triggered",
                "item_id": item_id,
                "audio_start_ms": start_ms,
                "audio_end_ms": end_ms,
            }
        case n.Committed(item_id, before):
            yield {
                "type": f"{buffer}.committed",
                "item_id": item_id,
                "previous_item_id": before,
            }
        case n.Cleared():
            yield {"type": f"{buffer}.cleared"}
        case n.ItemAdded(item, before):
            yield ev.item_event("added", item, before, begun_only=False)
        case n.ItemDone(item, before):
            yield ev.item_event("done", item, before, begun_only=False)
        case n.ItemDeleted(item_id):
            yield {"type": f"{item_name}.deleted", "item_id": item_id}
        case n.ItemTruncated(item_id, content_index, audio_end_ms):
            yield {
                "type": f"{item_name}.truncated",
                "item_id": item_id,
                "content_index": content_index,
                "audio_end_ms": audio_end_ms,
            }
