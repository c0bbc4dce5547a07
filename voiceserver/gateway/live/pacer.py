"""The session's own sound as one stream in real time: replies where there are any, else silence.

Knows neither sockets nor clocks: `due` is told the time and gives the deltas to be sent by then.
Delta k is due at the moment its first sample is to be heard, so nothing but the one being played
has ever been sent, and what is thrown away by `stop` is never heard. A late call makes up for what
it missed: the stream's length is the wall clock's, to the sample.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import exact_div

DELTA_MS = 80
FADE_MS = 5  # an end without one would click

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Fragment:
    """A piece of transcript, and where it sounds in the stream."""

    text: str
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class Delta:
    """The next DELTA_MS of the stream."""

    samples: Samples
    fragments: tuple[Fragment, ...]  # which begin in it


@dataclass
class _Piece:
    """Sound that waits for its moment, and the text that belongs to it."""

    item_id: str
    samples: Samples
    text: str

    @property
    def is_spent(self) -> bool:
        return not len(self.samples) and not self.text


class Pacer:
    """One session's output, from the moment it has started."""

    def __init__(self, rate_hz: int, start_s: float) -> None:
        self.rate_hz = rate_hz
        self.sent_samples = 0  # where the next delta begins
        self._start_s = start_s
        self._delta_samples = exact_div(rate_hz * DELTA_MS, 1000)
        self._fade_samples = exact_div(rate_hz * FADE_MS, 1000)
        self._waiting: deque[_Piece] = deque()
        self._item_id = ""  # of the newest sound that went out
        self._item_samples = 0  # of it

    # --- in ----------------------------------------------------------------------------------

    def speak(self, item_id: str, samples: Samples, text: str = "") -> None:
        """More of an item's sound, and the text that begins with it (text alone at its end)."""
        self._waiting.append(_Piece(item_id, samples, text))

    def stop(self, item_id: str | None = None) -> None:
        """Nothing of what waits is to be heard, or of this item, but for a few ms that fade out."""
        pieces, self._waiting = self._waiting, deque()
        for at, piece in enumerate(pieces):
            if item_id not in (None, piece.item_id):
                self._waiting.append(piece)
            elif at == 0 and piece.item_id == self._item_id:  # it can be heard at this moment
                self._waiting.append(self._faded(piece))

    def _faded(self, piece: _Piece) -> _Piece:
        tail = piece.samples[: self._fade_samples]
        ramp = np.linspace(1.0, 0.0, len(tail), endpoint=False)
        return _Piece(piece.item_id, (tail * ramp).astype(np.int16), "")

    # --- out ---------------------------------------------------------------------------------

    @property
    def speaking(self) -> bool:
        """Whether sound is waiting to go out."""
        return bool(self._waiting)

    @property
    def waiting_s(self) -> float:
        """How much sound is waiting."""
        return sum(len(piece.samples) for piece in self._waiting) / self.rate_hz

    def holds(self, item_id: str) -> bool:
        """Whether sound of this item is waiting."""
        return any(piece.item_id == item_id for piece in self._waiting)

    @property
    def next_s(self) -> float:
        """When the next delta is due."""
        return self._start_s + self.sent_samples / self.rate_hz

    @property
    def played(self) -> tuple[str, float]:
        """The newest item that went out, and how many seconds of it."""
        return self._item_id, self._item_samples / self.rate_hz

    def silence(self, seconds: float) -> Samples:
        """As the stream would have it."""
        return np.zeros(int(seconds * self.rate_hz), np.int16)

    def ms_at(self, now_s: float) -> int:
        """The present moment on the session's timeline."""
        return max(0, int((now_s - self._start_s) * 1000))

    def due(self, now_s: float) -> Iterator[Delta]:
        """The deltas whose moment has come, each to be sent before the next is asked for."""
        while self.next_s <= now_s:
            yield self._next()

    def _next(self) -> Delta:
        sound = np.zeros(self._delta_samples, np.int16)
        fragments: list[Fragment] = []
        filled = 0
        while self._waiting and filled < self._delta_samples:
            piece = self._waiting[0]
            if piece.text:
                start = self.sent_samples + filled
                fragments.append(Fragment(piece.text, start, start + len(piece.samples)))
                piece.text = ""
            part = piece.samples[: self._delta_samples - filled]
            sound[filled : filled + len(part)] = part
            filled += len(part)
            piece.samples = piece.samples[len(part) :]
            self._count(piece.item_id, len(part))
            if piece.is_spent:
                self._waiting.popleft()
        self.sent_samples += self._delta_samples
        return Delta(sound, tuple(fragments))

    def _count(self, item_id: str, samples: int) -> None:
        if item_id != self._item_id:
            self._item_id, self._item_samples = item_id, 0
        self._item_samples += samples
