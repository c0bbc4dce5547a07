from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from voiceserver.errors import AssetError
from voiceserver.nn.sync_llm.chunks import Chunk, written
from voiceserver.nn.sync_llm.vocabulary import Vocabulary, news_of

SMALL = Vocabulary(own_tag=100, user_tag=101, units=(10, 11, 12, 13, 14))


def tokenizer(names: list[str]) -> Tokenizer:
    words = {"hello": 0} | {name: 7 + index for index, name in enumerate(names)}
    return Tokenizer(models.WordLevel(words, unk_token="hello"))


@pytest.mark.parametrize("form", ["[Hu{}]", "[{}]", "<unit_{}>"])
def test_ids_are_asked_of_the_tokenizer(form: str) -> None:
    names = [form.format(unit) for unit in range(501)]
    found = Vocabulary.of_tokenizer(tokenizer([*names, "[S0]", "[S1]"]))
    assert (found.own_tag, found.user_tag) == (508, 509)
    assert found.units == tuple(range(7, 508))
    assert found.unit_of[10] == 3


def test_other_names_can_be_given() -> None:
    names = ["u0", "u1", "<me>", "<you>"]
    found = Vocabulary.of_tokenizer(
        tokenizer(names), units=2, unit_name="u{}", own_tag="<me>", user_tag="<you>"
    )
    assert found == Vocabulary(9, 10, (7, 8))


def test_what_is_missing_is_named() -> None:
    names = [f"[Hu{unit}]" for unit in range(500)]
    with pytest.raises(AssetError, match=r"lacks \[S1\], \[Hu500\]$"):
        Vocabulary.of_tokenizer(tokenizer([*names, "[S0]"]))


def test_shared_ids_are_refused() -> None:
    with pytest.raises(AssetError, match="share"):
        Vocabulary(1, 1, (2, 3))


def test_our_tag_stands_in_every_chunk_and_the_users_only_with_news() -> None:
    chunks = [Chunk((0,), (1,)), Chunk((2, 3), ()), Chunk((), (4,)), Chunk((), ())]
    assert SMALL.tokens_of(chunks) == [100, 10, 101, 11, 100, 12, 13, 100, 101, 14, 100]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=4, max_size=60))
def test_chunks_survive_the_way_through_tokens(spoken: list[tuple[int, int]]) -> None:
    own, user = zip(*spoken, strict=True)
    chunks = written(own, user, 4)
    tokens = SMALL.tokens_of(chunks)
    assert SMALL.chunks_of(tokens) == chunks
    assert tokens.count(100) == len(chunks)
    assert tokens.count(101) == sum(bool(news) for news in news_of(chunks)[1])


@pytest.mark.parametrize("tokens", [[10], [101, 10], [100, 10, 101, 11, 101], [100, 99]])
def test_tokens_out_of_place_are_told(tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="token"):
        SMALL.chunks_of(tokens)
