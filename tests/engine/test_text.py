from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from voiceserver.engine.text import TextStream


@pytest.fixture(scope="module")
def byte_tokenizer() -> Tokenizer:
    """One token a byte, so that every character of more than one byte arrives in pieces."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: index for index, sign in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    stream = TextStream(tokenizer)
    return [stream.push(token) for token in tokenizer.encode(text).ids]


@pytest.mark.parametrize("text", ["plain", "naïve café", "日本語 and 🎉!", "a 🎉🎉 b"])
def test_pieces_join_to_the_text_and_hold_whole_characters(
    byte_tokenizer: Tokenizer, text: str
) -> None:
    found = pieces(byte_tokenizer, text)
    assert "".join(found) == text
    assert all("\ufffd" not in piece for piece in found)


def test_white_space_is_single_and_never_at_the_ends(byte_tokenizer: Tokenizer) -> None:
    assert "".join(pieces(byte_tokenizer, " \n One\n\n two \t three.  \n")) == "One two three."


def test_broken_bytes_are_left_out(byte_tokenizer: Tokenizer) -> None:
    stream = TextStream(byte_tokenizer)
    lone = byte_tokenizer.encode("é").ids[0]
    letters = byte_tokenizer.encode("abcdefgh").ids
    text = "".join(stream.push(token) for token in [lone, *letters])
    assert "\ufffd" not in text
    assert text.endswith("h")
