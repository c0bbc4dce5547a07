"""Server events as frozen dataclasses. One without a class of its own stays a plain `Event`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """Any event: its wire name, when it came (monotonic clock), and all it said."""

    type: str
    received_s: float
    data: Mapping[str, Any]


@dataclass(frozen=True)
class SessionCreated(Event):
    session: Mapping[str, Any]


@dataclass(frozen=True)
class SessionUpdated(Event):
    session: Mapping[str, Any]


@dataclass(frozen=True)
class SpeechStarted(Event):
    item_id: str
    audio_start_ms: int


@dataclass(frozen=True)
class SpeechStopped(Event):
    item_id: str
    audio_end_ms: int


@dataclass(frozen=True)
class InputTranscript(Event):
    """What the server heard the user say."""

    item_id: str
    transcript: str


@dataclass(frozen=True)
class ResponseCreated(Event):
    response_id: str


@dataclass(frozen=True)
class TextDelta(Event):
    """More of what the assistant says, in step with its audio, or more of a written reply."""

    response_id: str
    item_id: str
    delta: str


@dataclass(frozen=True)
class AudioDelta(Event):
    response_id: str
    item_id: str
    pcm16: bytes


@dataclass(frozen=True)
class ResponseDone(Event):
    response_id: str
    status: str  # completed | cancelled | incomplete | failed
    reason: str | None  # turn_detected, client_cancelled, max_output_tokens, ...


@dataclass(frozen=True)
class Truncated(Event):
    item_id: str
    audio_end_ms: int


@dataclass(frozen=True)
class TurnTiming(Event):
    """Voiceserver's own: when each step of a turn was done, after the user's last word."""

    response_id: str
    end_of_turn_ms: float | None
    recognised_ms: float | None
    first_text_ms: float | None
    first_audio_ms: float | None


@dataclass(frozen=True)
class InterruptionTiming(Event):
    """Voiceserver's own: how long after the user's first interrupting sample the reply ended."""

    response_id: str
    stopped_ms: float


@dataclass(frozen=True)
class Reconnected(Event):
    """This client's own: the connection was lost and is there again, the conversation with it.

    A reply that was under way is made anew.
    """


@dataclass(frozen=True)
class Failure(Event):
    """The server's `error` event."""

    message: str
    code: str | None
    param: str | None
    event_id: str | None  # of the client's event that caused it


def parse(text: str | bytes, received_s: float) -> Event:
    """One server event from its JSON."""
    data: dict[str, Any] = json.loads(text)
    name = str(data.get("type", ""))
    base = (name, received_s, data)
    reader = _READERS.get(name)
    return reader(base, data) if reader else Event(*base)


_Base = tuple[str, float, Mapping[str, Any]]
_Reader = Callable[[_Base, Mapping[str, Any]], Event]


def _text_delta(base: _Base, data: Mapping[str, Any]) -> Event:
    return TextDelta(*base, data["response_id"], data["item_id"], data["delta"])


def _response_done(base: _Base, data: Mapping[str, Any]) -> Event:
    response = data["response"]
    reason = (response.get("status_details") or {}).get("reason")
    return ResponseDone(*base, response["id"], response["status"], reason)


def _failure(base: _Base, data: Mapping[str, Any]) -> Event:
    error = data["error"]
    return Failure(
        *base, error["message"], error.get("code"), error.get("param"), error.get("event_id")
    )


def _timing(base: _Base, data: Mapping[str, Any]) -> Event:
    names = ("end_of_turn_ms", "recognised_ms", "first_text_ms", "first_audio_ms")
    return TurnTiming(*base, str(data.get("response_id")), *(data.get(name) for name in names))


_READERS: dict[str, _Reader] = {
    "session.created": lambda base, data: SessionCreated(*base, data["session"]),
    "session.updated": lambda base, data: SessionUpdated(*base, data["session"]),
    "input_audio_buffer.speech_started": lambda base, data: SpeechStarted(
        *base, data["item_id"], data["audio_start_ms"]
    ),
    "input_audio_buffer.speech_stopped": lambda base, data: SpeechStopped(
        *base, data["item_id"], data["audio_end_ms"]
    ),
    "conversation.item.input_audio_transcription.completed": lambda base, data: InputTranscript(
        *base, data["item_id"], data["transcript"]
    ),
    "conversation.item.truncated": lambda base, data: Truncated(
        *base, data["item_id"], data["audio_end_ms"]
    ),
    "response.created": lambda base, data: ResponseCreated(*base, data["response"]["id"]),
    "response.output_audio_transcript.delta": _text_delta,
    "response.output_text.delta": _text_delta,
    "response.output_audio.delta": lambda base, data: AudioDelta(
        *base, data["response_id"], data["item_id"], base64.b64decode(data["delta"])
    ),
    "response.done": _response_done,
    "voiceserver.turn.timing": _timing,
    "voiceserver.interruption.timing": lambda base, data: InterruptionTiming(
        *base, data["response_id"], data["stopped_ms"]
    ),
    "error": _failure,
}
