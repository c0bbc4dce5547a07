"""What was heard and said in one scene, on the scene's own clock: seconds since its start.

Everything is judged from this, so that a server is measured by what its user would have heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.scenes.live import SceneKind

Samples = NDArray[np.float32]

AUDIBLE_DBFS = -45.0  # quieter 10 ms are not heard as speech
_FRAME = WIRE_RATE_HZ // 100


@dataclass(frozen=True)
class Happening:
    """An event of the scene, where it was heard."""

    kind: str
    begin_s: float
    end_s: float
    detail: str = ""


@dataclass
class Heard:
    """One reply as the user heard it."""

    response_id: str
    pieces: list[tuple[float, float]] = field(default_factory=list)  # as played: begin, end
    words: list[tuple[str, float]] = field(default_factory=list)  # and how much sound came before
    done_s: float | None = None  # the server said that it is over
    status: str = ""  # completed | cancelled | incomplete | failed; empty while under way
    received_s: float = 0.0  # length of sound that came
    flushed_s: float | None = None  # when sound that waited was last thrown away

    @property
    def played_s(self) -> float:
        return sum(end - begin for begin, end in self.pieces)

    @property
    def cut(self) -> bool:
        """Ended before all of it was said."""
        return self.status in ("cancelled", "failed")

    def words_heard(self) -> list[str]:
        return [word for word, at_s in self.words if at_s < self.played_s]

    def gaps(self) -> Iterator[tuple[float, float]]:
        """Where the loudspeaker waited for more of this reply."""
        for (_, end), (begin, _) in pairwise(self.pieces):
            if begin > end:
                yield end, begin


@dataclass
class Recording:
    """A scene as it went."""

    kind: SceneKind
    number: int
    events: list[Happening] = field(default_factory=list)
    heard: Samples = field(default_factory=lambda: np.zeros(0, np.float32))  # at WIRE_RATE_HZ
    said: Samples = field(default_factory=lambda: np.zeros(0, np.float32))  # by the microphone
    replies: list[Heard] = field(default_factory=list)
    notices: list[tuple[float, str]] = field(default_factory=list)  # what the server told, and when
    failure: str = ""  # why the scene could not be played to its end

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.number}"

    @property
    def length_s(self) -> float:
        return len(self.heard) / WIRE_RATE_HZ

    def audible(self, reply: Heard) -> tuple[float, float] | None:
        """When the first and the last audible sound of a reply was heard."""
        found: list[float] = []
        for begin_s, end_s in reply.pieces:
            found += [begin_s + at_s for at_s in self._loud(begin_s, end_s)]
        return (found[0], min(found[-1] + 0.01, reply.pieces[-1][1])) if found else None

    def _loud(self, begin_s: float, end_s: float) -> list[float]:
        """Begins of the audible frames of a stretch, from its begin."""
        piece = self.heard[round(begin_s * WIRE_RATE_HZ) : round(end_s * WIRE_RATE_HZ)]
        return [float(at) / WIRE_RATE_HZ for at in loud_frames(piece)]


def loud_frames(sound: Samples) -> NDArray[np.intp]:
    """The first sample of each audible 10 ms; the last of them may be shorter."""
    padded = np.pad(sound, (0, -len(sound) % _FRAME)).reshape(-1, _FRAME)
    power = np.square(padded).mean(axis=1)
    return np.flatnonzero(power > 10 ** (AUDIBLE_DBFS / 10)) * _FRAME
