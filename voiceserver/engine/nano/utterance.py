"""One utterance on its way from text to timed phonemes: what the talker is told, and when.

No batches and no audio in here. Text comes in while it is still being written; out come cues for
the talker, latent by latent, and the time of every word.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voiceserver.audio.pronunciation import (
    PUNCTUATION,
    SENTENCE_START,
    SENTENCE_STOP,
    SPACE,
    Pronouncer,
    Word,
)
from voiceserver.engine.messages import WordTiming
from voiceserver.nn.codec import FRAME_LATENTS, LATENT_HZ
from voiceserver.nn.cues import PARTS, cue_track
from voiceserver.nn.pronunciation_encoder import OUTSIDE, REACH, whole_latents
from voiceserver.nn.talker import SEEN_LATENTS, Talker

# Phonemes are timed a little ahead of the talker and not further: text may still come.
HORIZON_LATENTS = 2 * SEEN_LATENTS
# The voice has learnt to be silent for 60 ms before the first word, which makes a reply that much
# later: the sign at the start gets a single latent and the pad behind it none.
START_LATENTS = (1, 0)
# The first symbols are timed by fewer of those that follow, so that the voice begins a word and a
# half sooner. It hardly matters: of their times 12 % change, by one latent.
EARLY_SYMBOLS, EARLY_REACH = 12, 4
CHUNK_SYMBOLS = 16  # encoded at once; bounds the cost of a step when a long text comes in one piece
UNHEARD = frozenset({SENTENCE_START, SENTENCE_STOP, SPACE, *PUNCTUATION})


@dataclass(frozen=True)
class _Placed:
    """A word and the symbols it owns: those that are heard, and all."""

    word: Word
    heard_start: int
    heard_end: int
    end: int


class Utterance:
    def __init__(self, talker: Talker, symbol_ids: Mapping[str, int]) -> None:
        self._talker = talker
        self._symbol_ids = symbol_ids
        self._pronouncer = Pronouncer()
        self._finished = False
        self._symbols: list[int] = []
        self._words: list[_Placed] = []  # whose timing is not known yet
        self._symbol_ends: list[int] = []  # in latents, of the timed symbols
        self._cues = torch.zeros(0, talker.shape.cue_width)  # of the latents not yet spoken
        self._timed_words: list[WordTiming] = []
        self.steps = 0  # taken so far

    def write(self, text: str) -> None:
        self._add(self._pronouncer.write(text))

    def finish(self) -> None:
        if not self._finished:
            words = self._pronouncer.finish()
            self._finished = True
            self._add(words)

    @property
    def frames(self) -> int | None:
        """Frames in all, or None while unknown."""
        if not self._all_timed():
            return None
        return -(-self._latents() // FRAME_LATENTS)

    def ready(self) -> bool:
        """Whether the next frame's cues are settled."""
        return len(self._cues) >= SEEN_LATENTS or self._all_timed()

    def next_cues(self) -> Tensor:
        """Cues of the next frame and the one after, zeros after the end: [SEEN_LATENTS, width]."""
        assert self.ready()
        seen = self._cues[:SEEN_LATENTS]
        self._cues = self._cues[FRAME_LATENTS:]
        self.steps += 1
        self._time_symbols()
        return torch.nn.functional.pad(seen, (0, 0, 0, SEEN_LATENTS - len(seen)))

    def take_words(self) -> tuple[WordTiming, ...]:
        """Words whose timing became known since the last call."""
        words, self._timed_words = tuple(self._timed_words), []
        return words

    def _all_timed(self) -> bool:
        return self._finished and len(self._symbol_ends) == len(self._symbols)

    def _latents(self) -> int:
        return self._symbol_ends[-1] if self._symbol_ends else 0

    def _add(self, words: list[Word]) -> None:
        for word in words:
            start = len(self._symbols)
            known = [s for s in word.symbols if s in self._symbol_ids]
            self._symbols += [self._symbol_ids[symbol] for symbol in known]
            heard = [start + i for i, symbol in enumerate(known) if symbol not in UNHEARD]
            first, last = (heard[0], heard[-1] + 1) if heard else (start, start)
            self._words.append(_Placed(word, first, last, len(self._symbols)))
        self._time_symbols()

    def _time_symbols(self) -> None:
        """Encode and time symbols up to the horizon, as far as the text allows."""
        settled = self._settled()
        while len(self._cues) < HORIZON_LATENTS and len(self._symbol_ends) < settled:
            start = len(self._symbol_ends)
            most = EARLY_SYMBOLS if start < EARLY_SYMBOLS else start + CHUNK_SYMBOLS
            self._time_chunk(start, min(settled, most))
        while self._words and self._words[0].end <= len(self._symbol_ends):
            self._timed_words.append(self._timing(self._words.pop(0)))

    def _settled(self) -> int:
        """How many symbols, from the first on, have all neighbours they are timed by."""
        known = len(self._symbols)
        return (
            known if self._finished else max(known - REACH, min(known - EARLY_REACH, EARLY_SYMBOLS))
        )

    def _encoded(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """Encodings [1, end - start, width] and log latents [1, end - start, PARTS]."""
        before, after = max(0, REACH - start), max(0, end + REACH - len(self._symbols))
        seen = self._symbols[max(0, start - REACH) : end + REACH]
        window = torch.tensor([[OUTSIDE] * before + seen + [OUTSIDE] * after])
        if start >= EARLY_SYMBOLS:
            encodings, log_latents = self._talker.pronunciation(window)
            return encodings, log_latents
        assert end <= EARLY_SYMBOLS, (start, end)
        alone = window[0].unfold(0, 2 * REACH + 1, 1).clone()  # a row for each symbol
        alone[:, REACH + 1 + EARLY_REACH :] = self._symbol_ids[SPACE]
        encodings, log_latents = self._talker.pronunciation(alone)
        return encodings.transpose(0, 1), log_latents.transpose(0, 1)

    @torch.inference_mode()
    def _time_chunk(self, start: int, end: int) -> None:
        encodings, log_latents = self._encoded(start, end)
        durations = whole_latents(log_latents[0]).numpy()  # [end - start, PARTS]
        stop = self._symbol_ids[SENTENCE_STOP]
        durations[np.array(self._symbols[start:end]) == stop, PARTS - 1] = 0
        if start == 0:
            durations[0] = START_LATENTS
        if self._finished and end == len(self._symbols):
            # The last stop is stretched to a whole frame, as in training.
            durations[-1, 0] += -(self._latents() + durations.sum()) % FRAME_LATENTS
        self._symbol_ends += (self._latents() + durations.sum(1).cumsum()).tolist()
        track = torch.from_numpy(cue_track(durations).stacked())[None]
        cues = self._talker.cues.per_latent(encodings, track)[0]
        self._cues = torch.cat([self._cues, cues])

    def _timing(self, placed: _Placed) -> WordTiming:
        def start_s(symbol: int) -> float:
            return (self._symbol_ends[symbol - 1] if symbol else 0) / LATENT_HZ

        word = placed.word
        start, end = start_s(placed.heard_start), start_s(placed.heard_end)
        return WordTiming(word.text, word.char_start, word.char_end, start, end)
