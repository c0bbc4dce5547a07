"""Whether what a user has said so far reads like a whole sentence."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer

from voiceserver.assets import resolve
from voiceserver.config import cache_folder
from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.nano.sentence_end import SentenceEnd
from voiceserver.engine.nano.thinker import SmolThinker
from voiceserver.nn import llama_weights
from voiceserver.nn.llama import Llama

CONTEXT = 2048


@pytest.fixture(scope="module")
def thinker() -> SmolThinker:
    torch.set_num_threads(1)
    file = resolve("nano", quiet=True)["thinker"]
    config, weights, tokenizer = llama_weights.load(file, cache_folder() / "converted")
    return SmolThinker(Llama(config, weights, CONTEXT), Tokenizer.from_file(str(tokenizer)), 2)


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
        ("My boss.", "My boss asked me to give a talk. I have never done that before."),
        ("Is it true that rice can?", "Is it true that rice can be dangerous?"),
    ],
)
def test_half_a_sentence_is_told_from_a_whole_one_whatever_mark_it_has(
    thinker: SmolThinker, so_far: str, whole: str
) -> None:
    half, *_ = complete(thinker, so_far)
    all_of_it, *later = complete(thinker, whole)
    assert half is not None
    assert half < 0.05
    assert all_of_it is not None
    assert all_of_it > 0.3
    assert later == [None, None], "told once"


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
    judge = SentenceEnd(tokenizer, message_end)
    for piece, ends in {"?": 1.0, '."': 1.0, "<|im_end|>": 1.0, "...": 0.0, ",": 0.0}.items():
        token = tokenizer.token_to_id(piece)
        assert token is not None, piece
        logits = torch.full((tokenizer.get_vocab_size(),), -50.0)
        logits[token] = 50.0
        assert judge.probability(logits) == pytest.approx(ends), piece
