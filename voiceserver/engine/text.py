"""From a model's tokens to clean text: whole characters, single spaces, none at the ends."""

from __future__ import annotations

from tokenizers import Tokenizer

REPLACEMENT = "\ufffd"  # what a decoder writes for bytes that are not yet a character
LONGEST_CHARACTER_TOKENS = 4


class TextStream:
    """One reply's text, piece by piece; the pieces joined are the reply."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._undecoded: list[int] = []
        self._begun = False
        self._space_owed = False

    def push(self, token: int) -> str:
        """The text that this token completes; may be empty."""
        self._undecoded.append(token)
        text: str = self._tokenizer.decode(self._undecoded, skip_special_tokens=True)
        unfinished = text.endswith(REPLACEMENT)
        if unfinished and len(self._undecoded) < LONGEST_CHARACTER_TOKENS:
            return ""
        self._undecoded.clear()
        return self._clean(text.replace(REPLACEMENT, ""))

    def _clean(self, text: str) -> str:
        """Every run of white space as one space, held back until something follows it."""
        pieces: list[str] = []
        for character in text:
            if character.isspace():
                self._space_owed = self._begun
                continue
            if self._space_owed:
                pieces.append(" ")
                self._space_owed = False
            pieces.append(character)
            self._begun = True
        return "".join(pieces)
