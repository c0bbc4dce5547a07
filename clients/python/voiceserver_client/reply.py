"""A whole turn as one value, and the collector that makes it out of the events as they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from voiceserver_client import events
from voiceserver_client.audio import duration_s, write_wav
from voiceserver_client.errors import ServerRefused
from voiceserver_client.events import Event


@dataclass(frozen=True)
class Reply:
    """What was heard, what was answered, and how soon."""

    transcript: str
    text: str
    pcm16: bytes
    status: str  # completed | incomplete | failed | cancelled
    first_audio_ms: float | None  # after the question's last sample was sent, measured here
    timing: events.TurnTiming | None  # the server's own account, if it gives one

    @property
    def seconds(self) -> float:
        return duration_s(self.pcm16)

    def save(self, path: str | Path) -> None:
        write_wav(path, self.pcm16)


@dataclass
class Turn:
    """Collects one turn. A reply given up because the user went on speaking is forgotten."""

    asked_s: float | None = None  # when the question was over
    finished: bool = False
    speech_heard: bool = False
    _transcripts: dict[str, str] = field(default_factory=dict)
    _text: list[str] = field(default_factory=list)
    _audio: list[bytes] = field(default_factory=list)
    _first_audio_s: float | None = None
    _response_id: str = ""
    _status: str = ""
    _timing: events.TurnTiming | None = None

    def take(self, event: Event) -> None:
        match event:
            case events.SpeechStarted():
                self.speech_heard = True
            case events.InputTranscript():
                self._transcripts[event.item_id] = event.transcript
            case events.ResponseCreated():
                self._begin(event.response_id)
            case events.TextDelta() if event.response_id == self._response_id:
                self._text.append(event.delta)
            case events.AudioDelta() if event.response_id == self._response_id:
                self._first_audio_s = self._first_audio_s or event.received_s
                self._audio.append(event.pcm16)
            case events.TurnTiming() if event.response_id == self._response_id:
                self._timing = event
            case events.ResponseDone() if event.response_id == self._response_id:
                self._status = event.status
                self.finished = event.reason != "turn_detected"
            case events.Failure():
                raise ServerRefused(event.message, event.code, event.param)

    def reply(self) -> Reply:
        first_audio_ms = None
        if self._first_audio_s is not None and self.asked_s is not None:
            first_audio_ms = 1000 * (self._first_audio_s - self.asked_s)
        return Reply(
            transcript=" ".join(filter(None, self._transcripts.values())),
            text="".join(self._text),
            pcm16=b"".join(self._audio),
            status=self._status,
            first_audio_ms=first_audio_ms,
            timing=self._timing,
        )

    def _begin(self, response_id: str) -> None:
        self._response_id = response_id
        self._text.clear()
        self._audio.clear()
        self._first_audio_s = None
        self._timing = None
