"""Cheap extra text: replies with their content words exchanged, for words no reply contains.

The sentences make no sense, but their function words, rhythm and punctuation are a reply's own,
and the words come from the thinker's whole vocabulary: all it can say gets a chance to be heard.
"""

import random
import re
from collections.abc import Sequence

EXCHANGE_SHARE = 0.5  # of the content words
MIN_CONTENT_CHARS = 4
WORD = re.compile(rf"\b[a-z]{{{MIN_CONTENT_CHARS},}}\b")
KEPT_WORDS = frozenset(
    [
        *("that", "this", "with", "from", "they", "them", "then", "than", "have", "been", "were"),
        *("will", "would", "could", "should", "their", "there", "these", "those", "what", "when"),
        *("where", "which", "while", "your", "yours", "about", "into", "over", "some", "more"),
        *("most", "also", "very", "just", "like", "only", "such", "because", "through"),
        *("between", "after", "before"),
    ]
)


def vocabulary_words(tokens: Sequence[str]) -> list[str]:
    """Whole lower-case words among a byte-level BPE vocabulary's tokens, in a fixed order."""
    words = {t[1:] for t in tokens if re.fullmatch(r"Ġ[a-z]{4,14}", t)}
    return sorted(words - KEPT_WORDS)


def vary(text: str, words: Sequence[str], rng: random.Random) -> str:
    """The text with about half of its content words replaced by random ones."""

    def exchange(match: re.Match[str]) -> str:
        keep = match.group() in KEPT_WORDS or rng.random() > EXCHANGE_SHARE
        return match.group() if keep else rng.choice(words)

    return WORD.sub(exchange, text)
