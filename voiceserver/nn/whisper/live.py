"""Whisper's encoder while somebody speaks: every feature computed about three times, not thirty.

The published encoder looks at 30 s in both directions. Here features are settled in blocks: a block
sees all that is settled before it (kept as keys and values of every layer), itself, the next
AHEAD features as far as they can be told without what follows, and, in place of the silence that
the published encoder pads with, keys and values of silence computed once. How far that is from
the exact features is measured by `voiceserver bench listening`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from voiceserver.audio.mel import WINDOW_SAMPLES, Floats, mel_decades, scaled
from voiceserver.nn.whisper.cache import KeyCache
from voiceserver.nn.whisper.config import FEATURE_SAMPLES
from voiceserver.nn.whisper.encoder import WhisperEncoder

FIRST = 48  # features settled first, when little is known of the voice: 960 ms
BLOCK = 16  # features settled at a time after that: 320 ms
AHEAD = 32  # features a block sees after itself: 640 ms
SLOTS_AT_ONCE_ON_CPU = 4  # so that one call stays short


@dataclass
class _Utterance:
    """What a slot has heard, and how far it is settled."""

    clip: Floats  # [window_samples], silent where nothing has been heard yet
    heard: int = 0
    done: int = 0  # features
    peak: float = -math.inf  # loudest band so far, in decades
    served: int = 0  # the call that settled something last
    unreturned: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class _Span:
    """`count` features of a slot from `begin` on, to compute from these mel frames."""

    slot: int
    begin: int
    count: int
    mel: Floats  # [bands, 2 count + 3]
    peak: float


class LiveEncoder:
    """Encodes the utterances of numbered slots side by side as they are spoken."""

    def __init__(
        self,
        encoder: WhisperEncoder,
        slots: int,
        first: int = FIRST,
        block: int = BLOCK,
        ahead: int = AHEAD,
    ) -> None:
        self.config = encoder.config
        self._encoder = encoder
        self._first, self._block, self._ahead = first, block, ahead
        on_cpu = encoder.positions.device.type == "cpu"
        self._at_once = SLOTS_AT_ONCE_ON_CPU if on_cpu else slots
        self._cache = KeyCache(encoder, slots, spare=max(first, block) + ahead)
        self._utterances: dict[int, _Utterance] = {}
        self._calls = 0

    def start(self, slot: int) -> None:
        """A new utterance; what the slot held before is gone."""
        self._utterances[slot] = _Utterance(np.zeros(self.config.window_samples, np.float32))

    def stop(self, slot: int) -> None:
        """Forget the utterance of a slot."""
        del self._utterances[slot]

    def hear(self, slot: int, samples: Floats) -> None:
        """More of the utterance, at 16 kHz; beyond 30 s it is not heard."""
        utterance = self._utterances[slot]
        fitting = np.nan_to_num(samples[: len(utterance.clip) - utterance.heard])
        utterance.clip[utterance.heard : utterance.heard + len(fitting)] = fitting
        utterance.heard += len(fitting)

    def step(self) -> dict[int, Tensor]:
        """Settle a block of every slot that has enough; new settled features [m, D] by slot."""
        ready = [s for s, u in self._utterances.items() if self._settling(u, u.heard)]
        ready.sort(key=lambda slot: self._utterances[slot].served)
        self._settle({slot: self._utterances[slot].heard for slot in ready[: self._at_once]})
        settled = {}
        for slot, utterance in self._utterances.items():
            if utterance.unreturned:
                settled[slot] = torch.cat(utterance.unreturned)
                utterance.unreturned.clear()
        return settled

    def finish(self, slot: int, samples: int | None = None) -> Tensor:
        """The features that `step` has not returned, if the utterance ended here: [m, D]

        Or if it had ended after so many samples. A look: the utterance can go on.
        """
        utterance = self._utterances[slot]
        heard = utterance.heard if samples is None else min(samples, utterance.heard)
        while self._settling(utterance, heard):
            self._settle({slot: heard})
        count = self.config.features_of(heard) - utterance.done
        features = list(utterance.unreturned)
        if count > 0:
            clip = utterance.clip.copy()
            clip[heard:] = 0.0
            features.append(self._compute([self._span(slot, clip, utterance, count)])[0])
        return torch.cat(features) if features else self._encoder.positions[:0]

    def _settling(self, utterance: _Utterance, heard: int) -> int:
        """How many features can be settled next after so many heard samples; 0: not yet any."""
        block = self._block if utterance.done else self._first
        end = utterance.done + block + self._ahead
        if end <= self.config.positions and heard >= _samples_needed(end):
            return block
        if heard == self.config.window_samples:  # full: nothing follows that could change them
            return self.config.positions - utterance.done
        return 0

    def _settle(self, heard: dict[int, int]) -> None:
        """One block of each of these slots, given how much of each is heard."""
        if not heard:
            return
        self._calls += 1
        counts, spans = [], []
        for slot, samples in heard.items():
            utterance = self._utterances[slot]
            counts.append(self._settling(utterance, samples))
            seen = min(counts[-1] + self._ahead, self.config.positions - utterance.done)
            spans.append(self._span(slot, utterance.clip, utterance, seen))
        for span, count, features in zip(spans, counts, self._compute(spans), strict=True):
            utterance = self._utterances[span.slot]
            utterance.unreturned.append(features[:count].clone())
            utterance.done += count
            utterance.peak = span.peak
            utterance.served = self._calls

    def _span(self, slot: int, clip: Floats, utterance: _Utterance, count: int) -> _Span:
        """What the encoder needs of the clip for its next `count` features."""
        begin = utterance.done
        before = max(2 - 2 * begin, 0)  # the clip's edges are padded with zeros
        first, last = (
            2 * begin - 2 + before,
            min(2 * (begin + count) + 1, 2 * self.config.positions),
        )
        decades = mel_decades(clip, first, last)
        peak = max(utterance.peak, float(decades.max()))
        mel = np.zeros((len(decades), 2 * count + 3), np.float32)
        mel[:, before : before + last - first] = scaled(decades, peak)
        return _Span(slot, begin, count, mel, peak)

    @torch.inference_mode()
    def _compute(self, spans: Sequence[_Span]) -> list[Tensor]:
        """The features of each span [count, D]; their keys and values are in the cache after."""
        count = max(span.count for span in spans)
        positions = self._encoder.positions  # [P, D]
        mel = np.zeros((len(spans), self.config.bands, 2 * count + 3), np.float32)
        for row, span in zip(mel, spans, strict=True):
            row[:, : span.mel.shape[1]] = span.mel
        slots, begins, ends = torch.tensor(
            [[s.slot, s.begin, s.begin + s.count] for s in spans], device=positions.device
        ).unbind(1)
        places = begins[:, None] + torch.arange(count, device=positions.device)  # [S, n]
        x = self._encoder.stem(torch.from_numpy(mel), first=begins == 0)
        x = x + positions[places.clamp_max(self.config.positions - 1)]
        longest = max(span.begin for span in spans) + count
        x = self._encoder.layers(x, self._cache.attention(slots, places, ends, longest))
        return [features[: span.count] for features, span in zip(x, spans, strict=True)]


def _samples_needed(features: int) -> int:
    """How much must be heard before the last of so many features is certain."""
    return features * FEATURE_SAMPLES + WINDOW_SAMPLES // 2
