"""SmolLM2 as we run it against `transformers` running the same GGUF file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from voiceserver.assets import resolve
from voiceserver.config import cache_folder
from voiceserver.nn import llama_weights
from voiceserver.nn.llama import KvCache, Llama, Segment
from voiceserver.training.smollm import load_thinker

PROMPT = (
    "<|im_start|>system\nAnswer in one short sentence.<|im_end|>\n"
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
)
ANSWER = (
    "The capital of France is Paris, a city on the river Seine that is known for its art, its food "
    "and its old streets."
)
STRANGE_TEXT = "Hello, wörld 1234 it's  two\n\n spaces\tok 日本 🎉 I'm 5'11\"! <|im_end|>x"


@pytest.fixture(scope="module")
def gguf_file() -> Path:
    return resolve("nano", quiet=True)["thinker"]


@pytest.fixture(scope="module")
def tokenizer(gguf_file: Path) -> Tokenizer:
    _, _, file = llama_weights.load(gguf_file, cache_folder() / "converted")
    return Tokenizer.from_file(str(file))


@pytest.fixture(scope="module")
def floats(gguf_file: Path) -> Llama:
    return Llama(*llama_weights.float_weights(gguf_file), 256)


def log_probabilities(llama: Llama, tokens: list[int]) -> torch.Tensor:
    """After every token: [n, V]"""
    cache = KvCache(llama.config, 1, len(tokens))
    rows = [llama.extend(cache, [Segment(0, [token])])[0] for token in tokens]
    return torch.stack(rows).log_softmax(dim=-1)


def greedy(llama: Llama, tokens: list[int], count: int) -> list[int]:
    cache, written = KvCache(llama.config, 1, len(tokens) + count), list[int]()
    logits = llama.extend(cache, [Segment(0, tokens)])
    for _ in range(count):
        written.append(int(logits[0].argmax()))
        logits = llama.extend(cache, [Segment(0, written[-1:])])
    return written


def test_tokens_and_text_equal_transformers(
    gguf_file: Path, tokenizer: Tokenizer, floats: Llama
) -> None:
    theirs, their_tokenizer = load_thinker(gguf_file)
    for text in (PROMPT, ANSWER, STRANGE_TEXT):
        assert tokenizer.encode(text).ids == their_tokenizer.encode(text)
    tokens = tokenizer.encode(PROMPT).ids
    with torch.inference_mode():
        expected = theirs.generate(
            torch.tensor([tokens]), max_new_tokens=12, do_sample=False, eos_token_id=None
        )
    assert greedy(floats, tokens, 12) == expected[0, len(tokens) :].tolist()


def test_int8_predicts_nearly_what_float_predicts(
    gguf_file: Path, tokenizer: Tokenizer, floats: Llama
) -> None:
    config, weights, _ = llama_weights.load(gguf_file, cache_folder() / "converted")
    tokens = tokenizer.encode(PROMPT + ANSWER).ids
    exact = log_probabilities(floats, tokens)
    rounded = log_probabilities(Llama(config, weights, 256), tokens)
    divergence = (exact.exp() * (exact - rounded)).sum(dim=-1).mean()
    assert divergence < 0.08  # nats; 0.05 measured on other text
    agreement = (exact.argmax(dim=-1) == rounded.argmax(dim=-1)).float().mean()
    assert agreement > 0.85
