"""Do these words take the floor, or do they only say that one listens?

The words are a small recogniser's, of a sound of less than a second: a hum may have become a name.
"""

from __future__ import annotations

from itertools import pairwise


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# "Uh-huh, of course": who says nothing else lets the other go on.
LISTENING = _words(
    """absolutely ah aha all alright course cool definitely exactly fine good got great hm hmm huh i
    indeed interesting it makes mhm mm mmhm mmm nice of oh ok okay perfect really right see sense
    sure that's true uh uhhuh um wow yah yeah yep yes yup"""
)
# Who says one of these wants to speak, or silence.
FLOOR = _words(
    """actually but cancel can could don't enough excuse hang hey hold how listen no pause please
    quiet shut sorry stop wait what when where which who why"""
)
SENTENCE_WORDS = 4  # so many, not all of them a listener's, are no hum misheard
PHRASE_WORDS = 2
OUR_SHARE = 0.5  # of the pairs of words: our own voice is often misheard


def takes_floor(text: str, expected: float, ours: str = "") -> bool:
    """Whether somebody who said this wants to speak.

    `expected` is the policy's probability of it, `ours` what we are saying: that is our own echo.
    """
    words = _plain_words(text)
    if not words or LISTENING.issuperset(words) or _repeats(words, _plain_words(ours)):
        return False
    if not FLOOR.isdisjoint(words) or len(words) >= SENTENCE_WORDS:
        return True
    return expected >= (0.4 if len(words) > PHRASE_WORDS else 0.8)


def _repeats(words: list[str], ours: list[str]) -> bool:
    """Whether most of the words stand in our own text in the same order."""
    if len(words) == 1:
        return words[0] in ours and words[0] not in FLOOR
    pairs, our_pairs = list(pairwise(words)), set(pairwise(ours))
    return sum(pair in our_pairs for pair in pairs) >= OUR_SHARE * len(pairs)


def _plain_words(text: str) -> list[str]:
    return [word for word in map(_plain, text.split()) if word]


def _plain(word: str) -> str:
    """Lower case, without punctuation: "Mm-hm." is mmhm."""
    return "".join(c for c in word.lower() if c.isalpha() or c == "'")
