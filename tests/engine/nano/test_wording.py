"""Whether what a user has said so far reads like all they want to say."""

from __future__ import annotations

import pytest
import torch

from voiceserver.assets import resolve
from voiceserver.config import cache_folder, policy_folder
from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.nano.thinker import SmolThinker
from voiceserver.engine.nano.wording import WordingReader
from voiceserver.nn import judges


@pytest.fixture(scope="module")
def thinker() -> SmolThinker:
    torch.set_num_threads(1)
    file = resolve("nano", quiet=True)["thinker"]
    judge = judges.load(judges.WORDING, policy_folder())
    return SmolThinker.load(file, cache_folder() / "converted", 2, judge.asked)


def complete(thinker: SmolThinker, *texts: str, slot: int = 0) -> list[float | None]:
    """What is told with each token of a reply to alternating messages of user and assistant."""
    dialogue = tuple(
        ChatMessage("assistant" if index % 2 else "user", text) for index, text in enumerate(texts)
    )
    thinker.begin(slot, Task(dialogue, True, 3, temperature=0.0, seed=0))
    told = []
    while thinker.has_more(slot):
        told += [thinking.complete for thinking in thinker.step([slot])]
    return told


@pytest.mark.parametrize(
    ("so_far", "whole"),
    [
        ("How do you say?", "How do you say good morning in Spanish?"),
        ("Is it true that rice can?", "Is it true that rice can be dangerous?"),
        ("I would like to book.", "I would like to book a table for two."),
        ("We bought a boat. It is very old.", "We bought a boat. How do I clean it?"),
    ],
)
def test_half_a_turn_is_told_from_a_whole_one_whatever_mark_it_has(
    thinker: SmolThinker, so_far: str, whole: str
) -> None:
    half, *_ = complete(thinker, so_far)
    all_of_it, *later = complete(thinker, whole)
    assert half is not None
    assert all_of_it is not None
    assert half < 0.5 < all_of_it
    assert later == [None, None], "told once"


def test_without_a_judge_nothing_is_told(thinker: SmolThinker) -> None:
    llama, tokenizer = thinker._llama, thinker._tokenizer
    assert complete(SmolThinker(llama, tokenizer, 1), "How are you?") == [None] * 3


def test_marks_behind_the_last_word_and_what_was_read_before_do_not_matter(
    thinker: SmolThinker,
) -> None:
    told = [
        complete(thinker, "Hi.", "Hello!", f"How can I{mark}")[0] for mark in ("", "?", "...", "?")
    ]
    assert told[0] is not None
    assert told == pytest.approx([told[0]] * 4, abs=0.01)


@pytest.mark.parametrize("texts", [("Hi.", "Hello!"), ("...",), ("",)])
def test_without_a_word_of_the_users_nothing_is_told(
    thinker: SmolThinker, texts: tuple[str, ...]
) -> None:
    assert complete(thinker, *texts) == [None] * 3


def test_only_marks_that_end_a_sentence_count(thinker: SmolThinker) -> None:
    tokenizer = thinker._tokenizer
    message_end = tokenizer.token_to_id("<|im_end|>")
    assert message_end is not None
    reader = WordingReader(tokenizer, message_end, lambda features: features[:, -1])
    state = torch.ones(4)
    for piece, ends in {
        "?": True,
        '."': True,
        "<|im_end|>": True,
        "...": False,
        ",": False,
    }.items():
        token = tokenizer.token_to_id(piece)
        assert token is not None, piece
        logits = torch.full((tokenizer.get_vocab_size(),), -50.0)
        logits[token] = 50.0
        told = reader.probability(state, logits)
        assert told == pytest.approx(4.6 if ends else -4.6, abs=0.1), piece


def test_how_large_a_state_is_does_not_matter(thinker: SmolThinker) -> None:
    reader = WordingReader(thinker._tokenizer, 2, lambda features: features[:, 0])
    state, logits = torch.randn(576), torch.zeros(thinker._tokenizer.get_vocab_size())
    small, large = (reader.features(scale * state, logits) for scale in (1.0, 100.0))
    assert torch.allclose(small, large, atol=1e-4)
    assert small[:-1].square().mean() == pytest.approx(1.0, abs=1e-3)
