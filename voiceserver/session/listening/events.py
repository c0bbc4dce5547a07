"""What the listening half of a session notices about an utterance."""

from __future__ import annotations

from dataclasses import dataclass

from voiceserver.session.listening.hearing import Hearing


class EarEvent:
    """Something noticed."""


class Doubt(EarEvent):
    """Somebody may be interrupting the assistant."""


class DoubtOver(EarEvent):
    """What was doubted is no interruption."""


class Listened(EarEvent):
    """The user is in a long turn and would like to hear that they are listened to."""


@dataclass(frozen=True)
class UtteranceEvent(EarEvent):
    """Something about `hearing`."""

    hearing: Hearing


class SpeechBegan(UtteranceEvent):
    """A turn has begun."""


@dataclass(frozen=True)
class InterimText(UtteranceEvent):
    """A look at a turn still being spoken."""

    text: str


@dataclass(frozen=True)
class HeardToPause(UtteranceEvent):
    """The user pauses, and the engine answers to the audio itself: they may be done."""

    end_sample: int


class ReadInPause(UtteranceEvent):
    """The user pauses and all they said so far has been read: they may be done."""


class JudgedUnfinished(UtteranceEvent):
    """The user pauses for long, but does not sound as if they were done."""


class SpeechResumed(UtteranceEvent):
    """The user went on after a pause."""


@dataclass(frozen=True)
class TurnOver(UtteranceEvent):
    """The turn has ended; `by_voice` if detected, else the client said so."""

    by_voice: bool


class TurnRead(UtteranceEvent):
    """An ended turn's text is known, or could not be read."""
