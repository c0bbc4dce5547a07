"""What the listening half of a session notices about an utterance."""

from __future__ import annotations

from dataclasses import dataclass

from voiceserver.session.hearing import Hearing


@dataclass(frozen=True)
class EarEvent:
    """Something about `hearing`."""

    hearing: Hearing


class SpeechBegan(EarEvent):
    """A turn has begun."""


@dataclass(frozen=True)
class InterimText(EarEvent):
    """A look at a turn still being spoken."""

    text: str


@dataclass(frozen=True)
class HeardToPause(EarEvent):
    """The user pauses, and the engine answers to the audio itself: they may be done."""

    end_sample: int


class ReadInPause(EarEvent):
    """The user pauses and all they said so far has been read: they may be done."""


class JudgedUnfinished(EarEvent):
    """The user pauses for long, but does not sound as if they were done."""


class SpeechResumed(EarEvent):
    """The user went on after a pause."""


@dataclass(frozen=True)
class TurnOver(EarEvent):
    """The turn has ended; `by_voice` if detected, else the client said so."""

    by_voice: bool


class TurnRead(EarEvent):
    """An ended turn's text is known, or could not be read."""
