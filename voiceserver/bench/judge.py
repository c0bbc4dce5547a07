"""How well speech is understood: Whisper base writes down what it hears, and words are compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jiwer
import numpy as np
import soxr
from numpy.typing import NDArray

from voiceserver.assets import resolve
from voiceserver.clock import LISTEN_RATE_HZ


@dataclass(frozen=True)
class WordErrors:
    """Errors among the words of a reference."""

    errors: int
    words: int

    @property
    def percent(self) -> float:
        return 100 * self.errors / self.words if self.words else 0.0


def transcribe(samples: NDArray[np.float32], rate_hz: int) -> str:
    """What the judge hears in [S] samples."""
    heard = soxr.resample(samples, rate_hz, LISTEN_RATE_HZ)
    segments, _ = _whisper().transcribe(
        np.asarray(heard, np.float32),
        language="en",
        beam_size=5,
        temperature=0.0,
        condition_on_previous_text=False,
    )
    return " ".join(segment.text.strip() for segment in segments)


def word_errors(reference: str, heard: str) -> WordErrors:
    """Substituted, left out and added words, after spelling, numbers and case are made alike."""
    wanted, found = normalized(reference), normalized(heard)
    words = len(wanted.split())
    if not words:
        return WordErrors(len(found.split()), 0)
    compared = jiwer.process_words(wanted, found or " ")
    return WordErrors(compared.substitutions + compared.deletions + compared.insertions, words)


def total(parts: Iterable[WordErrors]) -> WordErrors:
    """Errors over all words: long texts count for more."""
    listed = list(parts)
    return WordErrors(sum(p.errors for p in listed), sum(p.words for p in listed))


def normalized(text: str) -> str:
    """The text as words that may be compared."""
    return str(_normalizer()(text.replace("-", " "))).strip()


@lru_cache(maxsize=1)
def _normalizer() -> Any:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    normalizer: Any = EnglishTextNormalizer
    return normalizer({})


@lru_cache(maxsize=1)
def _whisper() -> Any:
    from faster_whisper import WhisperModel

    folder = resolve("nano", ("judge",))["judge"]
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)
