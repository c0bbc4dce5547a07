"""What a new connection must be told to go on where the lost one stopped.

Follows both directions of a call: the conversation's items as they were said and heard, the audio
that has not become an item yet, and whether an answer was due.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from voiceserver_client.audio import RATE_HZ, SAMPLE_BYTES, duration_s

Wire = dict[str, Any]

KEPT_S = 30.0  # of audio of a turn not yet understood; a server reads no more at once
LEAD_S = 1.0  # of audio while nobody speaks: a word may have begun in it
MOST_ITEMS = 64  # a server remembers no more of a conversation either
_TRANSCRIBED = "conversation.item.input_audio_transcription"


@dataclass
class _Item:
    """A message with its text in pieces, or anything else as it is."""

    wire: Wire
    role: str | None
    pieces: list[tuple[float, str]] = field(default_factory=list)  # (second it is spoken at, text)
    received_s: float = 0.0  # of its audio
    said: bool = True  # an answer under way is not yet

    def replayed(self) -> Wire | None:
        """The item to create on a new connection; None for one that says nothing."""
        if self.role is None:
            return self.wire
        text = "".join(text for _, text in self.pieces).strip()
        if not text or not self.said:
            return None
        kind = "output_text" if self.role == "assistant" else "input_text"
        content = [{"type": kind, "text": text}]
        return {"id": self.wire["id"], "type": "message", "role": self.role, "content": content}


class Memory:
    """One call, as far as it must be known to be taken up again."""

    def __init__(self) -> None:
        self.answer_due = False
        self.answers_by_itself = True  # the server answers each turn it hears
        self._items: dict[str, _Item] = {}
        self._audio = bytearray()  # since the last turn that was understood
        self._speaking = False  # or spoken, and not yet understood

    # --- what happens -------------------------------------------------------------------------

    def sent(self, event: Mapping[str, Any]) -> None:
        """An event is about to be sent."""
        if event["type"] == "input_audio_buffer.append":
            self._audio += base64.b64decode(event["audio"])
            kept_s = KEPT_S if self._speaking else LEAD_S
            if duration_s(self._audio) > 2 * kept_s:  # rarely, so that it costs little
                del self._audio[: -round(kept_s * RATE_HZ) * SAMPLE_BYTES]
        elif event["type"] == "input_audio_buffer.clear":
            self._audio.clear()
        elif event["type"] == "conversation.item.create":
            self._has_item(event["item"])
        elif event["type"] == "response.create":
            self.answer_due = True

    def received(self, event: Mapping[str, Any]) -> None:
        """An event has come."""
        kind = event.get("type")
        match kind:
            case "input_audio_buffer.speech_started":
                self._speaking = True
            case "input_audio_buffer.committed":
                self.answer_due = self.answer_due or self.answers_by_itself
            case "conversation.item.added" | "conversation.item.done":
                self._has_item(event["item"])
            case "conversation.item.deleted":
                self._items.pop(event["item_id"], None)
            case "conversation.item.truncated":
                self._truncated(event["item_id"], event["audio_end_ms"] / 1000)
            case "response.created":
                self.answer_due = True
            case "response.done":
                self._done(event["response"])
            case "response.output_audio.delta":
                if (item := self._items.get(event["item_id"])) is not None:
                    item.received_s += duration_s(base64.b64decode(event["delta"]))
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                if (item := self._items.get(event["item_id"])) is not None:
                    item.pieces.append((item.received_s, event["delta"]))
        if kind in (f"{_TRANSCRIBED}.completed", f"{_TRANSCRIBED}.failed"):
            self._understood(event["item_id"], event.get("transcript", ""))

    def _has_item(self, wire: Wire) -> None:
        known = self._items.get(wire["id"])
        if wire["type"] != "message":
            self._items[wire["id"]] = _Item(wire, None)  # calls and results, in their last state
        elif known is None:
            item = self._items[wire["id"]] = _Item(wire, wire["role"])
            item.said = wire.get("status") != "in_progress"
            item.pieces = [(0.0, text) for text in _texts(wire)]

    def _understood(self, item_id: str, text: str) -> None:
        self._audio.clear()
        self._speaking = False
        if (item := self._items.get(item_id)) is not None:
            item.pieces = [(0.0, text)]
        if not text.strip():
            self.answer_due = False

    def _truncated(self, item_id: str, heard_s: float) -> None:
        if (item := self._items.get(item_id)) is not None:
            item.pieces = [(at_s, text) for at_s, text in item.pieces if at_s < heard_s]

    def _done(self, response: Wire) -> None:
        self.answer_due = False
        for wire in response.get("output") or ():
            if (item := self._items.get(wire.get("id", ""))) is not None:
                item.said = True

    # --- taking it up again -------------------------------------------------------------------

    def replay(self) -> Iterator[Wire]:
        """The events that tell a new connection all this."""
        items = [wire for item in self._items.values() if (wire := item.replayed()) is not None]
        self._items = {key: item for key, item in self._items.items() if item.said}
        for wire in items[-MOST_ITEMS:]:
            yield {"type": "conversation.item.create", "item": wire}
        if self._speaking:
            self._speaking = False  # it will be noticed again
            audio, self._audio = bytes(self._audio), bytearray()
            for at in range(0, len(audio), RATE_HZ * SAMPLE_BYTES):
                piece = base64.b64encode(audio[at : at + RATE_HZ * SAMPLE_BYTES]).decode("ascii")
                yield {"type": "input_audio_buffer.append", "audio": piece}
            self.answer_due = self.answer_due and not self.answers_by_itself
        if self.answer_due:
            yield {"type": "response.create"}


def _texts(wire: Wire) -> Iterator[str]:
    """The words of a message's parts."""
    for part in wire.get("content") or ():
        if text := part.get("text") or part.get("transcript"):
            yield text
