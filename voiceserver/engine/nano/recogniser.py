"""Whisper tiny.en on short utterances without paying for thirty seconds of encoder.

Whisper was trained on windows padded to 30 s, and without that padding its decoder does not know
when to stop and repeats itself. So only the utterance itself is encoded, and the encoder's output
is extended by 13 s of what it says about silence at those positions, computed once: the decoder
sees what it is used to, at a fraction of the time and with as few errors. CTranslate2 encodes; the
decoder is ours, because it can start from what was read of the same speech a moment ago.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ctranslate2
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voiceserver.audio.mel import log_mel
from voiceserver.audio.murmur import murmur_then_silence
from voiceserver.clock import LISTEN_RATE_HZ, exact_div
from voiceserver.errors import AssetError

if TYPE_CHECKING:  # it imports torch, which the engine does beside our own loading
    from voiceserver.nn.whisper.greedy import Signs

Floats = NDArray[np.float32]

WINDOW_S = 30
WINDOW_SAMPLES = WINDOW_S * LISTEN_RATE_HZ
# Silence after the utterance, 13 s: with all of it up to 30 s a question costs more time, with
# 10 s there are more word errors (15 of 672 against 13).
SILENT_STATES = 650
PAD_SAMPLES = exact_div(LISTEN_RATE_HZ * 3, 10)  # real silence after the utterance
SHORTEST_SAMPLES = exact_div(LISTEN_RATE_HZ, 10)
ROUND_SAMPLES = exact_div(LISTEN_RATE_HZ, 10)

_SIGNS = ("<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>", "<|nocaptions|>")

THREADS = 2  # may encode at once, with one copy of the weights

# Nobody speaks faster than this, so a longer text is a decoder going round in circles.
TOKENS_PER_S = 8
TOKENS_AT_LEAST = 8

# openai-whisper's own rules for "there was no speech" and for repetition.
NO_SPEECH_PROBABILITY = 0.6
LOG_PROBABILITY = -1.0
COMPRESSION_RATIO = 2.4


@dataclass(frozen=True)
class Read:
    """What was read of an utterance; the tokens are a draft for more of it."""

    text: str  # empty when nobody speaks
    tokens: tuple[int, ...]


NOTHING = Read("", ())


class Recogniser:
    """Transcribes 16 kHz audio; keeps no state between calls. Two threads may call at once."""

    def __init__(self, folder: Path) -> None:
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder), compute_type="int8", intra_threads=1, inter_threads=THREADS
            )
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # both libraries raise bare RuntimeError or Exception
            raise AssetError(f"{folder} is not a Whisper model: {error}") from error
        from voiceserver.nn.whisper.decoder_weights import load_decoder
        from voiceserver.nn.whisper.greedy import GreedyDecoder

        silence = self._encode(murmur_then_silence(WINDOW_SAMPLES))[0]
        self._decoder = GreedyDecoder(
            load_decoder(folder), _signs(self._tokenizer, folder), silence
        )

    def transcribe(self, samples: Floats) -> str:
        """The words in at most 30 s of audio; empty when nobody speaks."""
        return self.read(samples).text

    def read(self, samples: Floats, draft: Sequence[int] = ()) -> Read:
        """The same with its tokens; a draft of them makes it faster and changes nothing."""
        samples = np.nan_to_num(samples[-WINDOW_SAMPLES:])
        if len(samples) < SHORTEST_SAMPLES:
            return NOTHING
        longest = TOKENS_AT_LEAST + len(samples) * TOKENS_PER_S // LISTEN_RATE_HZ
        states = self._encode(_padded(samples))[0]
        found = self._decoder.read(states, SILENT_STATES, longest, draft)
        silent = found.no_speech_probability > NO_SPEECH_PROBABILITY
        if silent and found.log_probability < LOG_PROBABILITY:
            return Read("", found.tokens)
        text = without_loop(self._tokenizer.decode(list(found.tokens)).strip())
        return Read(text, found.tokens)

    def states(self, samples: Floats) -> Floats:
        """What the encoder makes of at most 30 s of whole frames: [n // 320, D]"""
        states: Floats = self._encode(samples)[0]
        return states

    def _encode(self, samples: Floats) -> Floats:
        """Encoder states of whole mel frames: [1, n // 320, D]"""
        features = ctranslate2.StorageView.from_array(log_mel(samples)[None])
        return np.array(self._model.encode(features))


def _signs(tokenizer: Tokenizer, folder: Path) -> Signs:
    """The tokens that steer this model."""
    from voiceserver.nn.whisper.ctranslate2_file import suppressed
    from voiceserver.nn.whisper.greedy import Signs

    ids: list[Any] = [tokenizer.token_to_id(name) for name in _SIGNS]
    if None in ids:
        raise AssetError(f"{folder} lacks some of the tokens {', '.join(_SIGNS)}")
    start, no_timestamps, end, no_speech = ids
    return Signs((start, no_timestamps), end, no_speech, suppressed(folder))


def _padded(samples: Floats) -> Floats:
    """The utterance and a little silence, rounded up; never beyond the window."""
    wanted = -(-(len(samples) + PAD_SAMPLES) // ROUND_SAMPLES) * ROUND_SAMPLES
    return np.pad(samples, (0, max(0, min(wanted, WINDOW_SAMPLES) - len(samples))))


def without_loop(text: str) -> str:
    """Cut a text that repeats itself far more than speech does down to its first round."""
    data = text.encode()
    if not data or len(data) / len(zlib.compress(data)) < COMPRESSION_RATIO:
        return text
    words = text.split()
    for period in range(1, len(words) // 2 + 1):
        if words[period : 2 * period] == words[:period]:
            return " ".join(words[:period])
    return ""
