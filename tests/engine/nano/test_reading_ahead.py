"""Prompts read before a reply is wanted: less to read then, and the same reply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from voiceserver.assets import resolve
from voiceserver.config import cache_folder
from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.nano.prompt import UNSURE_WORDS
from voiceserver.engine.nano.thinker import PROMPT_TOKENS_PER_STEP, SmolThinker
from voiceserver.nn import llama_weights
from voiceserver.nn.linear import FloatLinear
from voiceserver.nn.llama import Llama, LlamaConfig, LlamaLayer, LlamaWeights

CONTEXT = 2048
OWN = "You work for a bakery. " * 12
QUESTION = "Could you please tell me why the sky is blue in the morning and red at night?"
Dialogue = tuple[ChatMessage, ...]


@pytest.fixture(scope="module")
def tokenizer(smol: Llama) -> Tokenizer:
    _, _, file = llama_weights.load(resolve("nano", quiet=True)["thinker"], folder())
    return Tokenizer.from_file(str(file))


def folder() -> Path:
    return cache_folder() / "converted"


@pytest.fixture(scope="module")
def smol() -> Llama:
    torch.set_num_threads(1)
    config, weights, _ = llama_weights.load(resolve("nano", quiet=True)["thinker"], folder())
    return Llama(config, weights, CONTEXT)


@pytest.fixture(scope="module")
def tiny(smol: Llama) -> Llama:
    """Random weights of the same vocabulary, in float32."""
    dim, hidden, generator = 16, 24, torch.Generator().manual_seed(0)
    config = LlamaConfig(1, dim, hidden, 2, 1, smol.config.vocabulary, 10_000.0, 1e-5)

    def linear(out: int, width: int) -> FloatLinear:
        return FloatLinear(torch.randn(out, width, generator=generator) * 0.3)

    layer = LlamaLayer(
        torch.ones(dim),
        linear(dim + 2 * config.kv_dim, dim),
        linear(dim, dim),
        torch.ones(dim),
        linear(2 * hidden, dim),
        linear(dim, hidden),
    )
    embedding = torch.randn(config.vocabulary, dim, generator=generator)
    weights = LlamaWeights(embedding, (layer,), torch.ones(dim), FloatLinear(embedding))
    return Llama(config, weights, CONTEXT)


def dialogue(*texts: str, instructions: str = OWN) -> Dialogue:
    """Alternating messages of user and assistant after the instructions."""
    messages = [ChatMessage("system", instructions)]
    for index, text in enumerate(texts):
        messages.append(ChatMessage("assistant" if index % 2 else "user", text))
    return tuple(messages)


def task(said: Dialogue, max_tokens: int = 12) -> Task:
    return Task(said, True, max_tokens, temperature=0.0, seed=0)


def warm(thinker: SmolThinker) -> int:
    """Read all that can be read; return in how many pieces."""
    pieces = 0
    while thinker.cold:
        thinker.warm()
        pieces += 1
    return pieces


def reply(thinker: SmolThinker, said: Dialogue, slot: int = 0) -> str:
    text = ""
    thinker.begin(slot, task(said))
    while thinker.has_more(slot):
        text += "".join(thinking.text for thinking in thinker.step([slot]))
    return text


def unread(thinker: SmolThinker, said: Dialogue, slot: int = 0) -> int:
    """Tokens to be read when a reply to this is wanted now."""
    thinker.begin(slot, task(said))
    count = len(thinker._thoughts[slot].unread)
    thinker.stop(slot)
    return count


def test_little_is_left_to_read_when_a_turn_was_read_ahead(
    tiny: Llama, tokenizer: Tokenizer
) -> None:
    plain, ahead = SmolThinker(tiny, tokenizer, 1), SmolThinker(tiny, tokenizer, 1)
    before = dialogue("Hello there.", "Hello! What can I do for you?")
    warm(ahead)
    ahead.read_ahead(0, before)
    warm(ahead)
    words = QUESTION.split()
    ahead.read_ahead(0, (*before, ChatMessage("user", " ".join(words[:-1]) + ".")))
    assert warm(ahead) == 1
    said = (*before, ChatMessage("user", QUESTION))
    whole = len(plain._prompts.tokens(said, CONTEXT))
    last = len(tokenizer.encode(" " + " ".join(words[-1 - UNSURE_WORDS :])).ids)
    around = len(tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n").ids)
    assert unread(plain, said) == whole
    assert unread(ahead, said) == last + around <= whole / 10


def test_what_was_misheard_is_not_kept(tiny: Llama, tokenizer: Tokenizer) -> None:
    said = dialogue("Why is the sky blue in the morning?")
    thinker = SmolThinker(tiny, tokenizer, 1)
    thinker.read_ahead(0, dialogue("Where is this guy, Lou? I am warning you."))
    warm(thinker)
    thinker.begin(0, task(said))
    thought = thinker._thoughts[0]
    assert thinker._cached[0] + thought.unread == thought.prompt
    assert thinker._cache.lengths[0] == len(thinker._cached[0])
    assert tokenizer.decode(thinker._cached[0]).endswith("user\n")


def test_cut_alike_the_reply_is_the_same_to_the_last_bit(
    smol: Llama, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far reading ahead had come; the texts are equal because the logits are."""
    read: list[list[float]] = []
    predict = smol.predict

    def recorded(x: torch.Tensor) -> torch.Tensor:
        logits = predict(x)
        read.append(logits[0].tolist())
        return logits

    monkeypatch.setattr(smol, "predict", recorded)
    said = dialogue(" ".join([QUESTION] * 3), instructions="You are a baker.")
    expected = reply(SmolThinker(smol, tokenizer, 1), said)
    last_logits = read[-1]
    for pieces in (1, 2, 3):
        thinker = SmolThinker(smol, tokenizer, 1)
        thinker._ahead.clear()  # the usual system message
        thinker.read_ahead(0, said)
        for _ in range(pieces):
            thinker.warm()
        whole_pieces = len(thinker._cached[0]) - thinker._heads[0]
        assert whole_pieces % PROMPT_TOKENS_PER_STEP == 0
        assert reply(thinker, said) == expected
        assert read[-1] == last_logits


def test_a_half_read_system_message_is_read_on(tiny: Llama, tokenizer: Tokenizer) -> None:
    thinker, said = SmolThinker(tiny, tokenizer, 2), dialogue("Hello.")
    thinker._ahead.clear()
    thinker.read_ahead(0, said)
    thinker.warm()
    whole = len(thinker._prompts.tokens(said, CONTEXT))
    assert unread(thinker, said) == whole - PROMPT_TOKENS_PER_STEP
    assert unread(thinker, said, slot=1) == whole


def test_the_usual_system_message_is_copied_for_who_comes(
    tiny: Llama, tokenizer: Tokenizer
) -> None:
    thinker, usual = SmolThinker(tiny, tokenizer, 1), dialogue(instructions="")
    thinker.read_ahead(0, usual)
    most = len(thinker._prompts.head(usual, CONTEXT)) / PROMPT_TOKENS_PER_STEP + 3
    assert warm(thinker) <= most
    assert unread(thinker, (*usual, ChatMessage("user", "Hi."))) <= 8


def test_a_session_that_left_is_not_read_for(tiny: Llama, tokenizer: Tokenizer) -> None:
    thinker = SmolThinker(tiny, tokenizer, 1)
    warm(thinker)
    thinker.read_ahead(0, dialogue("My name is Ann and I"))
    thinker.forget(0)
    assert not thinker.cold
    thinker.read_ahead(0, dialogue("My name is Ann and I have a secret"))
    warm(thinker)
    thinker.forget(0)
    assert "Ann" not in tokenizer.decode(thinker._cached[0])
    assert thinker._cache.lengths[0] == len(thinker._cached[0])


SOME = ["why", "is", "the", "the", "sky", "blue", "red?", "today.", "and"]
WORDS = st.lists(st.sampled_from(SOME), max_size=30)
DIALOGUES = st.builds(
    lambda own, *texts: dialogue(*(" ".join(t) for t in texts if t), instructions=own),
    st.sampled_from(["", "You are kind.", OWN]),
    *[WORDS] * 3,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ahead"), DIALOGUES),
        st.tuples(st.just("warm"), st.integers(1, 4)),
        st.tuples(st.just("begin"), DIALOGUES),
        st.tuples(st.just("step"), st.integers(1, 6)),
        st.tuples(st.sampled_from(["stop", "forget"]), st.none()),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(DIALOGUES, st.lists(st.tuples(st.integers(0, 1), STEPS), max_size=2))
def test_no_past_changes_a_reply(
    tiny: Llama, tokenizer: Tokenizer, said: Dialogue, past: list[tuple[int, list[Any]]]
) -> None:
    """In float32, where rounding is far below what decides a token."""
    thinker = SmolThinker(tiny, tokenizer, 2)
    for slot, steps in past:
        for kind, value in steps:
            live(thinker, slot, kind, value)
            for row, cached in enumerate(thinker._cached):
                assert thinker._cache.lengths[row] == len(cached)
    assert reply(thinker, said) == reply(SmolThinker(tiny, tokenizer, 1), said)


def live(thinker: SmolThinker, slot: int, kind: str, value: object) -> None:
    match kind, value:
        case "ahead", tuple():
            thinker.read_ahead(slot, value)
        case "begin", tuple():
            thinker.begin(slot, task(value))
        case "warm", int():
            for _ in range(value if thinker.cold else 0):
                if thinker.cold:
                    thinker.warm()
        case "step", int():
            for _ in range(value):
                thinker.step([slot] if thinker.has_more(slot) else [])
        case _:
            getattr(thinker, kind)(slot)
