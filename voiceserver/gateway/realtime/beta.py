"""The beta protocol's names for things, rewritten to GA names before anything is validated."""

from __future__ import annotations

from typing import Any

Wire = dict[str, Any]

_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_PLAIN = {"modalities": "output_modalities", "max_response_output_tokens": "max_output_tokens"}
_MOVED = {  # to audio.<side>.<name>
    "input_audio_format": ("input", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
    "output_audio_format": ("output", "format"),
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
}


def event_in_ga_names(event: Wire) -> Wire:
    """A client event with GA names; one of the GA protocol comes back as it is."""
    kind = event.get("type")
    if kind == "transcription_session.update":
        event = event | {"type": "session.update"}
        if isinstance(session := event.get("session"), dict):
            event["session"] = {"type": "transcription"} | session
        kind = "session.update"
    field = {"session.update": "session", "response.create": "response"}.get(str(kind))
    if field is not None and isinstance(body := event.get(field), dict):
        event = event | {field: settings_in_ga_names(body)}
    return event


def settings_in_ga_names(body: Wire) -> Wire:
    """The settings of a session or of one response with GA names."""
    ga = dict(body)
    for old, new in _PLAIN.items():
        if old in ga:
            ga.setdefault(new, ga.pop(old))
    moved: dict[str, Wire] = {}
    for old, (side, new) in _MOVED.items():
        if old in ga:
            value = ga.pop(old)
            if new == "format" and isinstance(value, str):
                value = {"type": _FORMATS.get(value, value)}
            moved.setdefault(side, {})[new] = value
    audio = ga.get("audio")
    if moved and (audio is None or isinstance(audio, dict)):
        ga["audio"] = moved | (audio or {})
    return ga
