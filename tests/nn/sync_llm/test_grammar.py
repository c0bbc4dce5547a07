from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.nn.sync_llm.chunks import Chunk
from voiceserver.nn.sync_llm.grammar import FIRST_UNIT, OWN, USER, Draft, Part
from voiceserver.nn.sync_llm.vocabulary import Vocabulary

UNITS = 4


def unit(number: int) -> int:
    return FIRST_UNIT + number


def allowed(draft: Draft) -> set[int]:
    return {int(choice) for choice in draft.allowed().nonzero()[0]}


def test_a_user_without_news_has_no_tag() -> None:
    draft = Draft(UNITS, 4, user_before=1, own_before=2)
    assert allowed(draft) == {OWN, USER}
    draft.take(OWN)
    assert allowed(draft) == {OWN, USER, unit(0), unit(1), unit(3)}  # not 2: it only continues
    draft.take(USER)
    assert draft.result == ((), ())


def test_the_users_tag_means_news_and_our_tag_must_follow() -> None:
    draft = Draft(UNITS, 2, user_before=1, own_before=2)
    draft.take(USER)
    assert allowed(draft) == {unit(0), unit(2), unit(3)}
    draft.take(unit(3))
    assert allowed(draft) == {OWN, unit(0), unit(1), unit(2)}
    draft.take(unit(1))
    assert allowed(draft) == {OWN}
    assert draft.forced() == OWN


def test_our_chunk_ends_when_it_is_full() -> None:
    draft = Draft(UNITS, 2, user_before=1, own_before=2)
    draft.take(OWN)
    draft.take(unit(1))
    assert draft.forced() is None
    draft.take(unit(2))
    assert allowed(draft) == {OWN, USER}
    assert draft.forced() is not None
    draft.take(USER)
    assert draft.done
    assert draft.result == ((), (1, 2))


def test_the_first_chunk_says_something() -> None:
    draft = Draft(UNITS, 4, user_before=None, own_before=None)
    draft.take(OWN)
    assert allowed(draft) == {unit(number) for number in range(UNITS)}


def test_what_is_not_allowed_is_not_taken() -> None:
    draft = Draft(UNITS, 4, user_before=None, own_before=None)
    with pytest.raises(AssertionError, match="after our chunk"):
        draft.take(unit(0))
    with pytest.raises(AssertionError):
        _ = draft.result


@given(st.data(), st.sampled_from([4, 5, 6]))
def test_whatever_is_allowed_is_a_chunk_pair(data: st.DataObject, per_chunk: int) -> None:
    before = data.draw(st.none() | st.integers(0, UNITS - 1))
    draft = Draft(UNITS, per_chunk, user_before=before, own_before=before)
    tokens = [100]  # our chunk N, empty
    ids = Vocabulary(100, 101, (10, 11, 12, 13)).tokens
    steps = 0
    while not draft.done:
        choice = data.draw(st.sampled_from(sorted(allowed(draft))))
        assert draft.forced() in (None, choice) or draft.part is Part.OWN
        draft.take(choice)
        tokens.append(ids[choice])
        steps += 1
    assert steps <= 2 * (per_chunk + 1) + 1
    user, own = draft.result
    chunks = Vocabulary(100, 101, (10, 11, 12, 13)).chunks_of(tokens[:-1])
    assert chunks == [Chunk((), user), Chunk(own, ())]
    for news in (user, own):
        assert len(news) <= per_chunk
        assert all(a != b for a, b in zip((before, *news), news, strict=False))
