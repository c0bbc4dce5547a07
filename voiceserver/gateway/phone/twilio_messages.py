"""Twilio's Media Streams messages, read and written. Others speak the same dialect."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

from voiceserver.errors import ClientError
from voiceserver.gateway.phone.keypad import KEYS


@dataclass(frozen=True)
class Started:
    """The stream has begun."""

    stream_id: str
    call_id: str
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Heard:
    """A piece of the caller's voice, mu-law at 8 kHz."""

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


def read(frame: str | bytes) -> Message | None:
    """One message; None for one that says nothing to us. Raises ClientError."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise _invalid("the message is not JSON") from error
    if not isinstance(message, dict):
        raise _invalid("the message is not an object")
    match message.get("event"):
        case "media":
            return _heard(_part(message, "media"))
        case "mark":
            return Played(_text(_part(message, "mark"), "name"))
        case "dtmf":
            key = _text(_part(message, "dtmf"), "digit").upper()
            if key not in KEYS:
                raise _invalid("dtmf.digit is not a key")
            return Pressed(key)
        case "start":
            return _started(_part(message, "start"))
        case "stop":
            return Stopped()
    return None


def _started(start: dict[str, Any]) -> Started:
    form = start.get("mediaFormat")
    encoding, rate = "audio/x-mulaw", 8000
    if isinstance(form, dict):
        encoding, rate = form.get("encoding", encoding), form.get("sampleRate", rate)
    if encoding != "audio/x-mulaw" or rate != 8000:
        raise _invalid("start.mediaFormat is not audio/x-mulaw at 8000 Hz")
    given = start.get("customParameters")
    parameters = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    return Started(_text(start, "streamSid"), str(start.get("callSid", "")), parameters)


def _heard(media: dict[str, Any]) -> Heard | None:
    if media.get("track", "inbound") != "inbound":  # what we sent, on streams of both tracks
        return None
    try:
        return Heard(base64.b64decode(_text(media, "payload"), validate=True))
    except binascii.Error as error:
        raise _invalid("media.payload is not base64") from error


def _part(message: dict[str, Any], name: str) -> dict[str, Any]:
    part = message.get(name)
    if not isinstance(part, dict):
        raise _invalid(f"{name} is missing")
    return part


def _text(part: dict[str, Any], name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        raise _invalid(f"{name} is not a string")
    return value


def _invalid(why: str) -> ClientError:
    return ClientError(f"Invalid media stream message: {why}.", code="invalid_event")


def media(stream_id: str, data: bytes) -> str:
    """A piece of sound to be played."""
    payload = base64.b64encode(data).decode()
    return json.dumps({"event": "media", "streamSid": stream_id, "media": {"payload": payload}})


def mark(stream_id: str, name: str) -> str:
    """Asks to be told when what was sent so far has been played."""
    return json.dumps({"event": "mark", "streamSid": stream_id, "mark": {"name": name}})


def clear(stream_id: str) -> str:
    """Has everything not yet played thrown away."""
    return json.dumps({"event": "clear", "streamSid": stream_id})
