"""Text, as it is being written, -> words with their phonemes and their place in the text.

Every written word gets phonemes of its own, so that sound can be traced back to text, yet in the
form it has inside a sentence ("a" weak, "the" by the next vowel, "for a" linked). A word is
handed out as soon as its form is settled: at most when the word after it is complete. Whatever
cannot be spoken (markdown, emoji) stays in the text span of a neighbour.
"""

import functools
import re
from dataclasses import dataclass

from voiceserver.audio.espeak import phoneme_groups

SENTENCE_START, SENTENCE_STOP, SPACE = "^", "$", " "
PAUSES = ",:;"
SENTENCE_ENDS = ".!?"
PUNCTUATION = PAUSES + SENTENCE_ENDS

# One spoken word: letters and digits, joined by marks that do not end a word ("3.5", "don't").
CORE = re.compile(r"[$£€]?[^\W_]+(?:[\u0300-\u036f]*(?:['’.,:&@-]|°)?[^\W_]+)*[%°]?", re.UNICODE)
INITIALS = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]|[A-HJ-Z]")
ABBREVIATIONS = {"mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "jr", "sr", "approx"}
SPOKEN_AS = {
    "e.g": "for example",
    "i.e": "that is",
    "etc": "et cetera",
    "vs": "versus",
    "dr": "doctor",
    "mr": "mister",
    "mrs": "missis",
    "ms": "miz",
    "prof": "professor",
    "approx": "approximately",
}
CURRENCY = {"$": "dollar", "£": "pound", "€": "euro"}

# espeak pronounces a word by its neighbours; these carriers show it the neighbours that matter.
CARRIER_HEAD = "Bob"
CARRIER_TAILS = {"consonant": "cats there now.", "vowel": "apples there now.", "pause": ""}
VOWELS = "aæɐɑɒɔoəɚɛɜɪiʊuʌeᵻ"
STRESS = "ˈˌ"
# espeak runs these into a following "the": the teacher has always heard them as one word.
JOINED_BEFORE_THE = {"of", "in", "on", "for", "from"}


@dataclass(frozen=True)
class Word:
    text: str  # exactly the characters of its span: the spans of all words tile the text
    char_start: int
    char_end: int
    symbols: tuple[str, ...]  # phonemes, with the space before and the punctuation after


@dataclass(frozen=True)
class _Token:
    """One written word whose end is known, before its neighbours have settled its sound."""

    core: str
    char_start: int
    char_end: int
    mark: str  # the punctuation symbol spoken after it, or ""


class Pronouncer:
    """Takes text piece by piece and hands out words; the pieces do not change the words."""

    def __init__(self) -> None:
        self._text = ""
        self._taken_chars = 0  # everything before belongs to tokens already found
        self._waiting: list[_Token] = []  # at most one, while its next neighbour is unknown
        self._previous_core: str | None = None  # of the sentence being spoken
        self._finished = False

    def write(self, text: str) -> list[Word]:
        assert not self._finished, "write after finish"
        self._text += text
        return self._words(self._closed_tokens())

    def finish(self) -> list[Word]:
        """No more text will come: everything left becomes words."""
        assert not self._finished, "finish twice"
        self._finished = True
        return self._words(self._closed_tokens())

    def _closed_tokens(self) -> list[_Token]:
        cores = list(CORE.finditer(self._text, self._taken_chars))
        # While text is still written, the next letter may belong to the last word.
        closed = cores if self._finished else cores[:-1]
        tokens = []
        for index, core in enumerate(closed):
            is_last = index + 1 == len(cores)
            next_start = len(self._text) if is_last else cores[index + 1].start()
            gap = self._text[core.end() : next_start]
            # What follows a word without a space belongs to it, and to the last word all the rest.
            end = next_start if is_last else core.end() + _until_space(gap)
            mark = _mark(core.group(), gap, self._finished and is_last)
            tokens.append(_Token(core.group(), self._taken_chars, end, mark))
            self._taken_chars = end
        return tokens

    def _words(self, tokens: list[_Token]) -> list[Word]:
        self._waiting += tokens
        words = []
        while self._waiting:
            token = self._waiting[0]
            follower = self._waiting[1] if len(self._waiting) > 1 else None
            phonemes = _settled_phonemes(token, follower)
            if phonemes is None:
                break
            words.append(self._word(self._waiting.pop(0), phonemes))
        return words

    def _word(self, token: _Token, phonemes: str) -> Word:
        if self._previous_core is None:
            before = SENTENCE_START
        elif token.core.lower() == "the" and self._previous_core.lower() in JOINED_BEFORE_THE:
            before = ""
        else:
            before = SPACE
        ends = token.mark != "" and token.mark in SENTENCE_ENDS
        self._previous_core = None if ends else token.core
        # A pause breaks the link between "in" and "the".
        if token.mark and not ends:
            self._previous_core = token.mark
        symbols = tuple(before + phonemes + token.mark) + ((SENTENCE_STOP,) if ends else ())
        text = self._text[token.char_start : token.char_end]
        return Word(text, token.char_start, token.char_end, symbols)


def pronounce(text: str) -> list[Word]:
    """All words of a finished text."""
    pronouncer = Pronouncer()
    return pronouncer.write(text) + pronouncer.finish()


def _until_space(text: str) -> int:
    return next((i for i, char in enumerate(text) if char.isspace()), len(text))


def _mark(core: str, gap: str, is_end: bool) -> str:
    """The punctuation symbol for what is written between a word and the next."""
    if is_end:
        return next((sign for sign in "?!" if sign in gap), ".")
    for sign in "?!":
        if sign in gap:
            return sign
    if "…" in gap or ".." in gap:
        return ","
    if "." in gap:
        lower = core.lower()
        if lower in ABBREVIATIONS or INITIALS.fullmatch(core):
            return ""
        return "," if core.isdigit() and len(core) == 1 and "\n" not in gap else "."
    if "\n" in gap:
        return ":" if ":" in gap else "."
    for sign in PAUSES:
        if sign in gap:
            return sign
    return "," if any(sign in gap for sign in "—–()[]") or " - " in gap else ""


def _settled_phonemes(token: _Token, follower: _Token | None) -> str | None:
    """The phonemes of a word, or None while they hang on a word that is not complete yet."""
    spoken = _spoken_form(token.core)
    if token.mark:
        return _phonemes(spoken, "pause")
    before_consonant, before_vowel = (_phonemes(spoken, kind) for kind in ("consonant", "vowel"))
    if before_consonant == before_vowel:
        return before_consonant
    if follower is None:
        return None
    next_sound = _phonemes(_spoken_form(follower.core), "pause").lstrip(STRESS)[:1]
    return before_vowel if next_sound and next_sound in VOWELS else before_consonant


@functools.lru_cache(maxsize=65536)
def _phonemes(spoken: str, before: str) -> str:
    """Phonemes as they sound in the carrier; alone where the carrier swallows a word."""
    head, tail = phoneme_groups(CARRIER_HEAD), CARRIER_TAILS[before]
    after = phoneme_groups(tail) if tail else ()
    groups = phoneme_groups(f"{CARRIER_HEAD} {spoken} {tail}".strip())
    end = len(groups) - len(after)
    if groups[: len(head)] != head or groups[end:] != after or end <= len(head):
        return SPACE.join(phoneme_groups(spoken))
    return SPACE.join(groups[len(head) : end])


def _spoken_form(core: str) -> str:
    """What espeak should read for one written word."""
    lower = core.lower()
    if lower in SPOKEN_AS:
        return SPOKEN_AS[lower]
    if core[0] in CURRENCY:
        return _money(core)
    if re.fullmatch(r"\d{1,2}:\d\d", core):
        return core.replace(":00", " o'clock").replace(":0", " oh ").replace(":", " ")
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", core):
        return core.replace(",", "")
    return core.replace("°", " degrees").replace("@", " at ").replace("&", " and ")


def _money(core: str) -> str:
    whole, _, cents = core[1:].replace(",", "").partition(".")
    unit = CURRENCY[core[0]] + ("" if whole == "1" else "s")
    return f"{whole} {unit} {cents.lstrip('0')}".strip() if cents.isdigit() else f"{whole} {unit}"
