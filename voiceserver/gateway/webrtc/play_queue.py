"""What is still to be sounded of the replies, taken out piece by piece as it is sent.

Knows how much of each reply was sent, so it knows what was heard: nobody can call back what is on
its way. Without clock and without asyncio; whoever takes keeps the pace.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voiceserver.session.notices import ReplyInfo

Samples = NDArray[np.int16]

FADE_S = 0.005  # to nothing, where sound is cut off: a step would click
CUSHION_S = 0.06  # after running dry within a reply: one longer gap instead of many short ones
MOST_S = 30.0  # then the oldest sound is dropped


@dataclass
class Sound:
    """One reply's sound, from its first sample to its last."""

    reply: ReplyInfo
    pieces: deque[Samples] = field(default_factory=deque)
    waiting_samples: int = 0
    taken_samples: int = 0
    begun: bool = False
    complete: bool = False  # no more of it will come

    def take(self, count: int) -> Samples:
        """At most this many samples off its front."""
        taken: list[Samples] = []
        while count > 0 and self.pieces:
            piece = self.pieces.popleft()
            taken.append(piece[:count])
            if len(piece) > count:
                self.pieces.appendleft(piece[count:])
            count -= len(taken[-1])
        samples = np.concatenate(taken) if taken else np.zeros(0, np.int16)
        self.waiting_samples -= len(samples)
        self.taken_samples += len(samples)
        return samples


class PlayEvents(Protocol):
    """Told what becomes of the replies' sound."""

    def sound_began(self, sound: Sound) -> None: ...

    def sound_went(self, sound: Sound) -> None:
        """More of it has been taken."""

    def sound_ended(self, sound: Sound) -> None:
        """All of it has been taken."""


class PlayQueue:
    """The replies' sound in order, mono at one rate."""

    def __init__(self, rate_hz: int, events: PlayEvents) -> None:
        self.rate_hz = rate_hz
        self._events = events
        self._sounds: deque[Sound] = deque()
        self._cushion_samples = 0  # that must be there before the first goes on
        self._fading = np.zeros(0, np.int16)

    def push(self, reply: ReplyInfo, samples: Samples) -> int:
        """More of a reply; returns how many samples, the oldest, were dropped for it."""
        if not self._sounds or self._sounds[-1].reply.response_id != reply.response_id:
            self._sounds.append(Sound(reply))
        sound = self._sounds[-1]
        sound.pieces.append(samples)
        sound.waiting_samples += len(samples)
        excess = self.waiting_samples - int(MOST_S * self.rate_hz)
        return len(self._sounds[0].take(excess)) if excess > 0 else 0

    def finish(self, response_id: str) -> None:
        """No more of this reply will come."""
        for sound in self._sounds:
            if sound.reply.response_id == response_id:
                sound.complete = True

    def clear(self) -> list[Sound]:
        """Fall silent; returns the replies whose end will not be heard."""
        cut = list(self._sounds)
        self._sounds.clear()
        self._cushion_samples = 0
        if cut and cut[0].begun:
            tail = cut[0].take(int(FADE_S * self.rate_hz))
            fade = np.linspace(1.0, 0.0, len(tail), endpoint=False)
            self._fading = np.rint(tail * fade).astype(np.int16)
        return cut

    @property
    def waiting_samples(self) -> int:
        """Of all replies together."""
        return sum(sound.waiting_samples for sound in self._sounds)

    def pushed_s(self, response_id: str) -> float:
        """How much of a reply has been put in so far, if it is the newest and not yet over."""
        if not self._sounds or self._sounds[-1].reply.response_id != response_id:
            return 0.0
        sound = self._sounds[-1]
        return (sound.waiting_samples + sound.taken_samples) / self.rate_hz

    def holds(self, response_id: str) -> bool:
        """Whether the end of this reply is still to be heard."""
        return any(sound.reply.response_id == response_id for sound in self._sounds)

    @property
    def unfinished(self) -> bool:
        """Whether the end of something is still to be heard."""
        return bool(self._sounds)

    def take(self, count: int) -> Samples:
        """The next samples; silence where there are none."""
        output = np.zeros(count, np.int16)
        faded = self._fading[:count]
        output[: len(faded)] = faded
        self._fading = self._fading[count:]
        at = len(faded)
        while at < count and self._sounds:
            taken = self._take_first(output[at:])
            at += taken
            if not taken and self._sounds and not self._sounds[0].complete:
                break
        return output

    def _take_first(self, output: Samples) -> int:
        """Fill the front of `output` from the first reply; returns how much that was."""
        sound = self._sounds[0]
        if sound.waiting_samples < self._cushion_samples and not sound.complete:
            return 0
        self._cushion_samples = 0
        samples = sound.take(len(output))
        output[: len(samples)] = samples
        if len(samples) and not sound.begun:
            sound.begun = True
            self._events.sound_began(sound)
        if len(samples):
            self._events.sound_went(sound)
        if sound.complete and not sound.waiting_samples:
            self._sounds.popleft()
            self._events.sound_ended(sound)
        elif sound.begun and len(samples) < len(output):  # it ran dry
            self._cushion_samples = int(CUSHION_S * self.rate_hz)
        return len(samples)
