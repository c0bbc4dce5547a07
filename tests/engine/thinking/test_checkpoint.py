"""Thinkers from Hugging Face folders, with small random-weight models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_bench import Bench, task, user
from transformers import AutoModelForCausalLM

from voiceserver.engine.messages import ChatMessage, EndReason
from voiceserver.engine.sampling import Sampling, draw
from voiceserver.engine.thinking import checkpoint
from voiceserver.engine.thinking.desk import APOLOGY, APOLOGY_MIDWAY
from voiceserver.engine.thinking.thinker import Thinking


@torch.inference_mode()
def expected(folder: Path, prompt: list[int], count: int, temperature: float) -> list[int]:
    """The same reply by reading everything anew for each token."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    written: list[int] = []
    for step in range(count):
        logits = model(torch.tensor([prompt + written])).logits[0, -1].numpy()
        token = draw(logits, Sampling(temperature, 3), step, written)
        if token == model.generation_config.eos_token_id:
            break
        written.append(token)
    return written


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_reply_is_what_the_model_writes(
    make: Callable[[str], Bench],
    folder: Callable[[str], Path],
    kind: str,
    temperature: float,
) -> None:
    bench = make(kind)
    dialogue = [ChatMessage("system", "Be kind."), user("Hello there.")]
    for turn in range(3):  # each keeps what has been read
        text, end = bench.reply(*dialogue, temperature=temperature)
        prompt = bench.model.prompt(dialogue, 200)
        tokens = expected(folder(kind), prompt, 24, temperature)
        assert text == bench.model.text(tokens).replace("\ufffd", "")
        assert (end.prompt_tokens, end.text_tokens) == (len(prompt), len(tokens))
        assert end.ended is (EndReason.MAX_TOKENS if len(tokens) == 24 else EndReason.COMPLETED)
        dialogue += [ChatMessage("assistant", text or "..."), user(f"And turn {turn}?")]


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_what_has_been_read_is_not_read_again(
    make: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    bench = make(kind)
    dialogue = [ChatMessage("system", "Be kind."), user("Hello there.")]
    bench.reply(*dialogue)
    pieces: list[list[int]] = []
    read = bench.model.read
    monkeypatch.setattr(
        bench.model, "read", lambda slot, tokens: pieces.append(tokens) or read(slot, tokens)
    )
    interrupted = ChatMessage("assistant", "No, this was")
    bench.reply(*dialogue, interrupted, user("And you?"), max_tokens=1)
    prompt = bench.model.prompt([*dialogue, interrupted, user("And you?")], 200)
    shared = len(bench.model.prompt(dialogue, 200))
    assert [token for piece in pieces for token in piece] == prompt[shared:]


def test_slots_take_turns_and_change_nothing_for_each_other(
    make: Callable[[str], Bench],
) -> None:
    bench, alone = make("llama"), make("llama")
    asked = {slot: user(f"Question {slot} " * (slot + 1)) for slot in range(3)}
    for slot, message in asked.items():
        bench.thinker.begin(slot, task(message))
    together = bench.finish(*asked)
    for slot, message in asked.items():
        assert alone.reply(message, slot=9) == (together[slot][0], alone_end(together[slot][1]))


def alone_end(end: Thinking) -> Thinking:
    return Thinking(9, end.text, end.ended, end.prompt_tokens, end.text_tokens)


def test_a_stopped_reply_leaves_nothing_behind(make: Callable[[str], Bench]) -> None:
    bench = make("llama")
    text, end = bench.reply(user("Hello."))
    bench.thinker.begin(0, task(user("A long story, please."), max_tokens=100))
    bench.thinker.stop(0)
    assert not bench.thinker.has_more(0)
    bench.thinker.forget(0)
    assert bench.reply(user("Hello.")) == (text, end)


@pytest.mark.parametrize("begun", [False, True])
def test_a_model_that_fails_is_apologised_for(
    make: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    bench = make("llama")
    read, calls = bench.model.read, []

    def failing(slot: int, tokens: list[int]) -> Any:
        calls.append(tokens)
        if len(calls) > 12 * begun:
            raise RuntimeError("your secret words")
        return read(slot, tokens)

    monkeypatch.setattr(bench.model, "read", failing)
    text, end = bench.reply(user("Hello."))
    assert text.endswith(APOLOGY_MIDWAY if begun else APOLOGY)
    assert (end.ended, end.failure) == (EndReason.COMPLETED, "internal")
    _, end = bench.reply(user("Hello."), speak=False)
    assert end.ended is EndReason.FAILED
    monkeypatch.undo()
    assert bench.reply(user("Hello."))[1].failure == ""


def test_pieces_of_text_are_the_whole(
    make: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make("llama")
    said = "Grüße aus 東京 🎉, mein Freund"
    tokens = iter([*bench.model._tokenizer(said)["input_ids"], *bench.model.stops])
    monkeypatch.setattr(checkpoint, "draw", lambda *_: next(tokens))
    assert bench.reply(user("Hello."), max_tokens=99)[0] == said
