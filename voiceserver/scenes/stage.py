"""Where sounds are put at exact times; mixed at the end into what a microphone hears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.channels import Conditions, convolved, decibels
from voiceserver.scenes.kokoro import Spoken
from voiceserver.scenes.noises import babble, noise, noise_kinds
from voiceserver.scenes.pauses import Turn, plain, with_pauses
from voiceserver.scenes.speech import Speech, V
from voiceserver.scenes.texts import Part

Samples = NDArray[np.float32]
Random = np.random.Generator
EventKind = Literal[
    "turn",  # from the first sample of its first word to the last of its last, pauses included
    "pause",  # inside a turn, from the last sample of a word to the first of the next
    "filler",  # inside a pause
    "interruption",  # a turn that begins while the other side speaks
    "backchannel",
    "aside",  # a turn meant for somebody else in the room
    "noise",  # a cough, a door
    "broadcast",  # television, or people who talk to each other
    "own",  # the assistant speaks
    "echo",  # a stretch in which nothing but the assistant's echo is heard
]
TURNS: tuple[EventKind, ...] = ("turn", "interruption")


@dataclass(frozen=True)
class Event:
    """Something that happens; times are samples at LISTEN_RATE_HZ from the begin of the scene."""

    kind: EventKind
    begin: int
    end: int
    detail: str = ""  # the words, or which noise

    @property
    def begin_s(self) -> float:
        return self.begin / LISTEN_RATE_HZ

    @property
    def end_s(self) -> float:
        return self.end / LISTEN_RATE_HZ


@dataclass
class Stage:
    """A user in a room. Each method puts a sound at a sample and returns where it ends."""

    random: Random
    conditions: Conditions
    part: Part
    events: list[Event] = field(default_factory=list)
    _sounds: list[tuple[int, Samples]] = field(default_factory=list)

    def turn(self, at: int, turn: Turn, kind: EventKind = "turn") -> int:
        """The user speaks to us."""
        self._put(at, turn.samples * np.float32(self.conditions.gain), self.conditions.near)
        self._note(kind, at, turn.samples, turn.text)
        self.events += [Event("pause", at + begin, at + end) for begin, end in turn.pauses]
        self.events += [Event("filler", at + begin, at + end) for begin, end in turn.fillers]
        return at + len(turn.samples)

    def backchannel(self, at: int, spoken: Spoken, text: str) -> int:
        """Softer than a turn."""
        gain = self.conditions.gain * decibels(self.random.uniform(-8, -1))
        self._put(at, spoken.samples * np.float32(gain), self.conditions.near)
        return self._note("backchannel", at, spoken.samples, text)

    def aside(self, at: int, spoken: Spoken, text: str) -> int:
        """The user speaks, turned away: lower, duller, with more of the room."""
        gain = self.conditions.gain * decibels(self.random.uniform(-16, -7))
        self._put(at, spoken.samples * np.float32(gain), self.conditions.far)
        return self._note("aside", at, spoken.samples, plain(spoken, text).text)

    def noise(self, at: int) -> int:
        """Half are coughs and cleared throats."""
        kinds = noise_kinds(self.part)
        throat = self.random.random() < 0.5
        kind = str(self.random.choice(("cough", "cleared throat") if throat else kinds))
        sound = noise(self.random, kind) * np.float32(decibels(self.random.uniform(-22, -5)))
        self._put(at, sound, self.conditions.near)
        return self._note("noise", at, sound, kind)

    def broadcast(self, at: int, talkers: Sequence[Samples], samples: int, text: str) -> int:
        """A television across the room, or several people if there are several talkers."""
        if len(talkers) > 1:
            sound, text = babble(self.random, talkers, samples), "babble"
        else:
            sound = talkers[0][:samples]
        gain = decibels(self.random.uniform(-34, -20)) / float(np.abs(sound).max())
        self._put(at, sound * np.float32(gain), self.conditions.far)
        return self._note("broadcast", at, sound, text)

    def rendered(self, samples: int, own: Samples | None = None) -> Samples:
        """What the microphone sends: all sounds, our own echo, the room, the line. [samples]"""
        heard = self._mixed(samples) + self.conditions.ambience(self.random, samples)
        if own is not None and self.conditions.echo is not None:
            heard += self.conditions.echo.of(own)
        return np.clip(self.conditions.carried(heard), -1, 1)

    def carried(self, samples: int) -> Samples:
        """What the microphone sends of the sounds alone. [samples]"""
        return np.clip(self.conditions.carried(self._mixed(samples)), -1, 1)

    def _mixed(self, samples: int) -> Samples:
        mixed = np.zeros(samples, np.float32)
        for at, sound in self._sounds:
            place = mixed[at : at + len(sound)]
            place += sound[: len(place)]
        return mixed

    def _put(self, at: int, sound: Samples, room: Samples) -> None:
        self._sounds.append((at, convolved(sound, room)))

    def _note(self, kind: EventKind, at: int, sound: Samples, detail: str) -> int:
        self.events.append(Event(kind, at, at + len(sound), detail))
        return at + len(sound)


def spoken_turn(
    random: Random, speech: Speech[V], voice: V, kind: str, most_pauses: int = 0, fewest: int = 0
) -> Turn:
    """Somebody says something of this kind, with so many pauses."""
    text, spoken = speech.say(random, kind, voice)
    count = int(random.integers(fewest, most_pauses + 1))
    if count == 0:
        return plain(spoken, text)
    filler = speech.say(random, "fillers", voice)[1].samples
    return with_pauses(random, spoken, text, count, [filler])


def seconds(value: float) -> int:
    """In samples."""
    return round(value * LISTEN_RATE_HZ)
