"""Messages of media streams over WebSockets, in the dialects of Twilio, Telnyx and Plivo."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from voiceserver.errors import ClientError
from voiceserver.gateway.phone.keypad import KEYS
from voiceserver.gateway.wire_audio import AudioFormat

Wire = dict[str, Any]


@dataclass(frozen=True)
class Started:
    """The stream has begun."""

    stream_id: str
    call_id: str
    coding: AudioFormat
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Heard:
    """A piece of the caller's voice."""

    data: bytes


@dataclass(frozen=True)
class Pressed:
    key: str


@dataclass(frozen=True)
class Played:
    """Everything sent before this mark has been played, or was cleared."""

    mark: str


@dataclass(frozen=True)
class Stopped:
    """The call is over."""


Message = Started | Heard | Pressed | Played | Stopped


@dataclass(frozen=True)
class Dialect:
    """How a provider spells the messages. Ids and parameters may stand inside `start` or beside."""

    stream_id: str
    call_id: str
    parameters: str
    media_format: str
    sample_rate: str
    codings: Mapping[str, AudioFormat]  # all at 8 kHz
    played: str  # the event of a mark that was reached
    media: Callable[[str, str], Wire]  # (stream id, base64) -> sound to be played
    mark: Callable[[str, str], Wire]  # (stream id, name) -> tell when all before was played
    clear: Callable[[str], Wire]  # stream id -> throw away what was not played


TWILIO = Dialect(
    stream_id="streamSid",
    call_id="callSid",
    parameters="customParameters",
    media_format="mediaFormat",
    sample_rate="sampleRate",
    codings={"audio/x-mulaw": AudioFormat.ULAW},
    played="mark",
    media=lambda stream, payload: {
        "event": "media",
        "streamSid": stream,
        "media": {"payload": payload},
    },
    mark=lambda stream, name: {"event": "mark", "streamSid": stream, "mark": {"name": name}},
    clear=lambda stream: {"event": "clear", "streamSid": stream},
)
TELNYX = Dialect(
    stream_id="stream_id",
    call_id="call_control_id",
    parameters="custom_parameters",
    media_format="media_format",
    sample_rate="sample_rate",
    codings={"PCMU": AudioFormat.ULAW, "PCMA": AudioFormat.ALAW},
    played="mark",
    media=lambda _, payload: {"event": "media", "media": {"payload": payload}},
    mark=lambda _, name: {"event": "mark", "mark": {"name": name}},
    clear=lambda _: {"event": "clear"},
)
PLIVO = Dialect(
    stream_id="streamId",
    call_id="callId",
    parameters="extra_headers",
    media_format="mediaFormat",
    sample_rate="sampleRate",
    codings={"audio/x-mulaw": AudioFormat.ULAW},
    played="playedStream",
    media=lambda stream, payload: {
        "event": "playAudio",
        "streamId": stream,
        "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": payload},
    },
    mark=lambda stream, name: {"event": "checkpoint", "streamId": stream, "name": name},
    clear=lambda stream: {"event": "clearAudio", "streamId": stream},
)


def read(frame: str | bytes, dialect: Dialect) -> Message | None:
    """One message; None for one that says nothing to us. Raises ClientError."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise _invalid("the message is not JSON") from error
    if not isinstance(message, dict):
        raise _invalid("the message is not an object")
    event = message.get("event")
    if event == dialect.played:
        mark = message.get("mark", message)
        return Played(_text(mark if isinstance(mark, dict) else {}, "name"))
    match event:
        case "media":
            return _heard(_part(message, "media"))
        case "dtmf":
            key = _text(_part(message, "dtmf"), "digit").upper()
            if key not in KEYS:
                raise _invalid("dtmf.digit is not a key")
            return Pressed(key)
        case "start":
            return _started(message | _part(message, "start"), dialect)
        case "stop":
            return Stopped()
    return None


def _started(start: Wire, dialect: Dialect) -> Started:
    form = _part(start, dialect.media_format)
    encoding = form.get("encoding")
    coding = dialect.codings.get(encoding) if isinstance(encoding, str) else None
    if coding is None or str(form.get(dialect.sample_rate)) != str(coding.rate_hz):
        raise _invalid(f"the format is not {' or '.join(dialect.codings)} at 8000 Hz")
    return Started(
        stream_id=_text(start, dialect.stream_id),
        call_id=str(start.get(dialect.call_id, "")),
        coding=coding,
        parameters=_parameters(start.get(dialect.parameters)),
    )


def _parameters(given: object) -> dict[str, str]:
    """An object, or text of the form "name=value;name=value"."""
    if isinstance(given, dict):
        return {str(name): str(value) for name, value in given.items()}
    parts = given.split(";") if isinstance(given, str) else []
    return dict(part.partition("=")[::2] for part in parts)


def _heard(media: Wire) -> Heard | None:
    if media.get("track", "inbound") != "inbound":  # what we sent, on streams of both tracks
        return None
    try:
        return Heard(base64.b64decode(_text(media, "payload"), validate=True))
    except binascii.Error as error:
        raise _invalid("media.payload is not base64") from error


def _part(message: Wire, name: str) -> Wire:
    part = message.get(name)
    if not isinstance(part, dict):
        raise _invalid(f"{name} is missing")
    return part


def _text(part: Wire, name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        raise _invalid(f"{name} is not a string")
    return value


def _invalid(why: str) -> ClientError:
    return ClientError(f"Invalid media stream message: {why}.", code="invalid_event")
