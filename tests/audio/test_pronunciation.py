"""Pronunciation: spans tile the text, and text in pieces gives the same words as text at once."""

import random

import pytest

from voiceserver.audio.pronunciation import (
    SENTENCE_START,
    SENTENCE_STOP,
    SPACE,
    Pronouncer,
    Word,
    pronounce,
)

TEXTS = [
    "Hello, how are you?",
    "The apple and the pear cost $5.50 in 1999; that's 3.5 times more!",
    "**Sure!** Here's a tip: drink water.\n1. Boil it.\n2. Wait",
    "Dr. Smith lives in the U.S. with e.g. a cat... or two 😀 of them.",
    "Wait—what (really)? Rock/pop, it's 10:30 at 20°.",
    "one",
    "  leading and trailing  ",
    "I'd say \"yes\", but it isn't.",
]


def phonemes(words: list[Word]) -> str:
    return "".join(symbol for word in words for symbol in word.symbols)


@pytest.mark.parametrize("text", TEXTS)
def test_spans_tile_the_text(text: str) -> None:
    words = pronounce(text)
    assert "".join(word.text for word in words) == text
    assert [word.char_start for word in words] == [0, *(word.char_end for word in words[:-1])]
    assert words[-1].char_end == len(text)
    assert all(word.symbols for word in words)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(4))
def test_pieces_do_not_change_the_words(text: str, seed: int) -> None:
    rng = random.Random(seed)
    pronouncer, words, rest = Pronouncer(), [], text
    while rest:
        size = rng.randint(1, 6)
        words += pronouncer.write(rest[:size])
        rest = rest[size:]
    words += pronouncer.finish()
    assert words == pronounce(text)


def test_a_word_waits_for_at_most_the_next() -> None:
    pronouncer = Pronouncer()
    assert pronouncer.write("Cats ") == []  # "Cats" may still become "Cats'"
    assert [word.text for word in pronouncer.write("to")] == ["Cats"]
    # How "to" sounds hangs on the next word, which is complete when another begins.
    assert pronouncer.write(" eat") == []
    assert [word.text for word in pronouncer.write(" f")] == [" to", " eat"]


def test_every_sentence_starts_and_stops() -> None:
    symbols = phonemes(pronounce("Yes. It is, I think! Is it"))
    assert symbols.count(SENTENCE_START) == symbols.count(SENTENCE_STOP) == 3
    assert symbols.endswith("." + SENTENCE_STOP)
    assert "," in symbols
    assert "!" in symbols
    assert SENTENCE_STOP + SENTENCE_START in symbols


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", "ɐ kˈæt"),
        ("the cat", "ðə kˈæt"),
        ("the apple", "ðɪ ˈæpəl"),
        ("to eat", "tʊ ˈiːt"),
        ("out of the box", "ˈaʊt ʌvðə bˈɑːks"),
        ("$1", "wˈʌn dˈɑːlɚ"),
    ],
)
def test_words_sound_as_in_a_sentence(text: str, expected: str) -> None:
    assert phonemes(pronounce(text)) == f"^{expected}.$"


@pytest.mark.parametrize("text", ["", "   ", "😀", "***", "— !?"])
def test_nothing_to_say(text: str) -> None:
    assert pronounce(text) == []


def test_unspoken_marks_belong_to_a_neighbour() -> None:
    words = pronounce("good 😀 **news** 🎉")
    assert [word.text for word in words] == ["good", " 😀 **news** 🎉"]
    assert SPACE in words[1].symbols
