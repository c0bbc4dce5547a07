"""The stepping of many slots against a twin that keeps nothing: token for token the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voiceserver.bench.sync_llm.random_checkpoint import Sizes, write_folder
from voiceserver.engine.sampling import Sampling
from voiceserver.engine.sync_llm.context import Context
from voiceserver.engine.sync_llm.steps import Steps, chosen
from voiceserver.nn.sync_llm.backbone import Backbone
from voiceserver.nn.sync_llm.vocabulary import Vocabulary
from voiceserver.nn.sync_llm.weights import read_folder

from .naive_twin import NaiveTwin

GREEDY = Sampling(0.0, 0)
COUNT = 4
SILENCE = 7
PROMPT = [256, 40, 41, 42]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sync-llm"), Sizes(layers=2, seed=3))


@pytest.fixture(scope="module")
def vocabulary(folder: Path) -> Vocabulary:
    return Vocabulary.of_tokenizer(Tokenizer.from_file(str(folder / "tokenizer.json")))


@pytest.fixture(scope="module")
def backbone(folder: Path, vocabulary: Vocabulary) -> Backbone:
    shape, state = read_folder(folder)
    return Backbone(shape, state, vocabulary.tokens, torch.device("cpu"), torch.float32)


class Oracle:
    """transformers' own Llama."""

    def __init__(self, folder: Path, vocabulary: Vocabulary) -> None:
        from transformers import LlamaForCausalLM

        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.choices = list(vocabulary.tokens)

    @torch.inference_mode()
    def __call__(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self.model(torch.tensor([tokens])).logits[0, -1].numpy()
        return logits[self.choices]


@pytest.fixture(scope="module")
def oracle(folder: Path, vocabulary: Vocabulary) -> Oracle:
    return Oracle(folder, vocabulary)


def context(vocabulary: Vocabulary, number: int = 1, positions: int = 2048) -> Context:
    return Context(vocabulary, COUNT, positions, PROMPT, SILENCE, number)


def spoken(rng: random.Random) -> tuple[int, ...]:
    """A user's chunk, sometimes with nothing new in it."""
    unit = rng.randrange(501)
    return (unit,) * COUNT if rng.random() < 0.4 else tuple(rng.choices(range(501), k=COUNT))


def test_token_for_token_as_the_naive_twin(
    backbone: Backbone, vocabulary: Vocabulary, oracle: Oracle
) -> None:
    """Two slots begun at different times; real chunks come on time, late, very late, never."""
    rng = random.Random(1)
    steps = Steps(backbone, vocabulary, 3, 2048)
    twins = {0: NaiveTwin(vocabulary, COUNT, PROMPT, SILENCE)}
    steps.open(0, context(vocabulary), GREEDY)
    waiting: dict[int, dict[int, tuple[int, ...]]] = {0: {}, 2: {}}
    news = 0
    for number in range(1, 14):
        if number == 4:
            steps.open(2, context(vocabulary), GREEDY)
            twins[2] = NaiveTwin(vocabulary, COUNT, PROMPT, SILENCE)
        for slot, twin in twins.items():
            chunk = steps.contexts[slot].last - 1  # the newest whose time has passed
            waiting[slot][chunk] = spoken(rng)
            delay = rng.choice([0, 0, 1, 2, 99]) if chunk else 0
            due = [c for c in waiting[slot] if c <= chunk - delay]
            for c in due:
                units = waiting[slot].pop(c)
                assert steps.contexts[slot].heard(c, units)
                twin.hear(c, units)
        made = steps.step(list(twins))
        for slot, twin in twins.items():
            assert list(made[slot]) == twin.step(oracle), f"slot {slot}, step {number}"
            news += len(set(made[slot])) > 1
    assert news > 5  # else nothing was said that could differ


def test_an_estimate_that_came_true_costs_nothing(
    backbone: Backbone, vocabulary: Vocabulary
) -> None:
    steps = Steps(backbone, vocabulary, 1, 2048)
    steps.open(0, context(vocabulary), GREEDY)
    steps.step([0])
    estimate = steps.contexts[0].user(1)
    assert estimate is not None
    steps.contexts[0].heard(1, estimate)
    kept, anew = steps.contexts[0].plan()
    assert len(anew) <= 2  # what the draft had not read itself
    other = tuple((unit + 1) % 501 for unit in estimate)
    steps.contexts[0].heard(1, other)
    assert steps.contexts[0].plan()[0] < kept
    assert steps.contexts[0].is_real(1)


def test_chunks_too_old_or_yet_to_come_are_refused(vocabulary: Vocabulary) -> None:
    journal = context(vocabulary, number=10)
    assert (journal.first, journal.last) == (9, 10)
    assert not journal.heard(8, (1,) * COUNT)
    assert not journal.heard(11, (1,) * COUNT)
    assert journal.heard(9, (1,) * COUNT)


def test_missed_steps_go_on_with_the_last_unit(vocabulary: Vocabulary) -> None:
    journal = context(vocabulary)
    before = journal.tokens()
    journal.skip()
    journal.skip()
    assert journal.last == 3
    assert journal.own(3) == (SILENCE,) * COUNT
    assert journal.tokens() == before + 2 * [vocabulary.own_tag]  # the tag still counts the time
    assert journal.unreal() == 3


def test_a_full_window_lets_the_oldest_chunks_go(
    backbone: Backbone, vocabulary: Vocabulary
) -> None:
    rng = random.Random(5)
    positions = 120
    steps = Steps(backbone, vocabulary, 1, positions)
    steps.open(0, context(vocabulary, positions=positions), GREEDY)
    journal = steps.contexts[0]
    lengths: list[int] = []
    for _ in range(60):
        journal.heard(journal.last - 1, spoken(rng))
        steps.step([0])
        lengths.append(len(journal.tokens()))
        assert journal.tokens()[: len(PROMPT)] == PROMPT
        assert vocabulary.chunks_of(journal.tokens()[len(PROMPT) :])
    assert journal.first > 30
    assert max(lengths) <= positions
    assert min(lengths[30:]) > positions // 2  # only a quarter goes at a time


def test_other_instructions_are_read_in_front_of_what_was_said_last(
    backbone: Backbone, vocabulary: Vocabulary, oracle: Oracle
) -> None:
    rng = random.Random(2)
    steps = Steps(backbone, vocabulary, 1, 2048)
    steps.open(0, context(vocabulary), GREEDY)
    journal = steps.contexts[0]
    for _ in range(10):
        journal.heard(journal.last - 1, spoken(rng))
        steps.step([0])
    journal.instruct([256, 99, 98], most_tokens=30)
    tokens = journal.tokens()
    assert tokens[:3] == [256, 99, 98]
    assert len(tokens) <= 33
    draft = journal.draft()
    steps.step([0])
    while not draft.done:  # the same from scratch
        choice = chosen(oracle(tokens), draft.allowed(), GREEDY, 0)
        draft.take(choice)
        tokens.append(vocabulary.tokens[choice])
    assert journal.tokens() == tokens[:-1]


def test_a_slot_draws_the_same_alone_and_in_company(
    backbone: Backbone, vocabulary: Vocabulary
) -> None:
    def run(slots: list[int]) -> list[tuple[int, ...]]:
        steps = Steps(backbone, vocabulary, 4, 2048)
        for slot in slots:
            steps.open(slot, context(vocabulary), Sampling(0.9, seed=17 * (slot + 1)))
        return [steps.step(slots)[1] for _ in range(6)]

    assert run([1]) == run([3, 1, 0])


def test_only_what_is_allowed_is_chosen() -> None:
    logits = np.array([9.0, 3.0, 8.0, 2.0], np.float32)
    mask = np.array([False, True, False, True])
    assert chosen(logits, mask, GREEDY, 0) == 1
    drawn = {chosen(logits, mask, Sampling(5.0, 3), draw) for draw in range(50)}
    assert drawn == {1, 3}
