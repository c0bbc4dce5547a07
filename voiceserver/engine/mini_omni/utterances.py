"""What users say as Whisper's features: of the turn being spoken as it comes, of others when asked.

A place of the encoder follows one stretch of one slot's audio from its first sample on. Features
that are settled do not change any more, whatever follows; those behind them depend on where the
stretch ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voiceserver.engine.listening.microphones import Microphones
from voiceserver.engine.mini_omni.columns import Block, Features
from voiceserver.engine.mini_omni.dialogue import Heard
from voiceserver.nn.whisper.live import LiveEncoder


@dataclass
class _Stretch:
    """What a place of the encoder follows."""

    slot: int
    start_sample: int
    fed_sample: int  # audio before this is with the encoder
    until_sample: int | None = None  # no audio after this is wanted
    fresh: bool = True  # the encoder may settle more
    blocks: list[Block] = field(default_factory=list)
    last: Heard | None = None  # what was asked for last: the reply's ask is the transcript's, too

    def settled(self) -> NDArray[np.int64]:
        """The numbers of its settled features."""
        return np.concatenate([np.zeros(0, np.int64), *(b.numbers for b in self.blocks)])


class Utterances:
    """The encoder's places, and what each has brought so far."""

    def __init__(self, encoder: LiveEncoder, microphones: Microphones, features: Features) -> None:
        self._encoder = encoder
        self._microphones = microphones
        self._features = features
        self._stretches: dict[int, _Stretch] = {}  # by place

    def follow(self, place: int, slot: int, start_sample: int, until: int | None) -> bool:
        """Encode a slot's audio from here on, to an end or for good; go on where it is followed.

        False when its beginning is gone.
        """
        if not self.follows(place, slot, start_sample):
            if start_sample < self._microphones.kept_from(slot):
                return False
            self.drop(place)
            self._stretches[place] = _Stretch(slot, start_sample, start_sample)
            self._encoder.start(place)
        self._stretches[place].until_sample = until
        return True

    def follows(self, place: int, slot: int, start_sample: int) -> bool:
        """Whether a place encodes this stretch."""
        stretch = self._stretches.get(place)
        return stretch is not None and (stretch.slot, stretch.start_sample) == (slot, start_sample)

    def reach(self, place: int, end_sample: int) -> None:
        """Encode at least up to here what a place follows."""
        stretch = self._stretches[place]
        if stretch.until_sample is not None:
            stretch.until_sample = max(stretch.until_sample, end_sample)

    def drop(self, place: int) -> None:
        """Forget what a place follows."""
        if self._stretches.pop(place, None) is not None:
            self._encoder.stop(place)

    def drop_all(self) -> None:
        """Follow nothing any more."""
        for place in list(self._stretches):
            self.drop(place)

    def pending(self) -> bool:
        """Whether `step` has anything to do."""
        return any(s.fresh or self._unfed(s) for s in self._stretches.values())

    def step(self) -> None:
        """Feed the encoder what has come in and let it do a bounded piece of work."""
        for place, stretch in self._stretches.items():
            self._feed(place, stretch)
        if not any(stretch.fresh for stretch in self._stretches.values()):
            return
        settled = self._encoder.step()
        for place, stretch in self._stretches.items():
            features = settled.get(place)
            stretch.fresh = features is not None and len(features) > 0
            if features is not None and len(features):
                stretch.blocks.append(self._features.add(features))

    def settled(self, place: int) -> NDArray[np.int64]:
        """Numbers of the features a place has settled. [m]"""
        return self._stretches[place].settled()

    def heard(self, place: int, end_sample: int) -> Heard | None:
        """The stretch up to here; None while there is still much to encode."""
        stretch = self._stretches[place]
        self._feed(place, stretch)
        if stretch.last is not None and stretch.last.end_sample == end_sample:
            return stretch.last
        if stretch.fresh:
            return None
        end = min(end_sample, stretch.fed_sample)
        samples = max(0, end - stretch.start_sample)
        blocks, wanted = tuple(stretch.blocks), self._encoder.config.features_of(samples)
        if len(stretch.settled()) < wanted:
            blocks += (self._features.add(self._encoder.finish(place, samples)),)
        numbers = np.concatenate([block.numbers for block in blocks])
        stretch.last = Heard(end_sample, blocks, numbers[:wanted])
        return stretch.last

    def _unfed(self, stretch: _Stretch) -> int:
        """Where audio ends that a place has not been fed yet; 0 when there is none."""
        longest = self._encoder.config.window_samples  # of a longer turn its beginning is heard
        end = min(self._microphones.position(stretch.slot), stretch.start_sample + longest)
        if stretch.until_sample is not None:
            end = min(end, stretch.until_sample)
        return end if end > stretch.fed_sample else 0

    def _feed(self, place: int, stretch: _Stretch) -> None:
        if end := self._unfed(stretch):
            audio = self._microphones.read(stretch.slot, stretch.fed_sample, end)
            self._encoder.hear(place, audio)
            stretch.fed_sample, stretch.fresh = end, True
