from __future__ import annotations

import resource
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.nn.linear import FloatLinear, Int8Linear, Linear, quantise
from voiceserver.nn.llama import (
    KvCache,
    Llama,
    LlamaConfig,
    LlamaLayer,
    LlamaWeights,
    Segment,
)

CONFIG = LlamaConfig(
    layers=2,
    model_dim=32,
    hidden_dim=48,
    heads=4,
    kv_heads=2,
    vocabulary=50,
    rope_base=10_000.0,
    norm_epsilon=1e-5,
)
POSITIONS = 64
TEXT = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]


def random_weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    dim, hidden = CONFIG.model_dim, CONFIG.hidden_dim
    shapes = {"embedding": (CONFIG.vocabulary, dim), "norm": (dim,)}
    for index in range(CONFIG.layers):
        shapes |= {
            f"{index}.attention_norm": (dim,),
            f"{index}.qkv": (dim + 2 * CONFIG.kv_dim, dim),
            f"{index}.output": (dim, dim),
            f"{index}.mlp_norm": (dim,),
            f"{index}.gate_up": (2 * hidden, dim),
            f"{index}.down": (dim, hidden),
        }
    return {n: torch.randn(s, generator=generator) * 0.3 for n, s in shapes.items()}


def build(int8: bool = False) -> Llama:
    raw = random_weights()

    def linear(name: str) -> Linear:
        return Int8Linear(*quantise(raw[name])) if int8 else FloatLinear(raw[name])

    layers = tuple(
        LlamaLayer(
            raw[f"{i}.attention_norm"],
            linear(f"{i}.qkv"),
            linear(f"{i}.output"),
            raw[f"{i}.mlp_norm"],
            linear(f"{i}.gate_up"),
            linear(f"{i}.down"),
        )
        for i in range(CONFIG.layers)
    )
    weights = LlamaWeights(raw["embedding"], layers, raw["norm"], linear("embedding"))
    return Llama(CONFIG, weights, POSITIONS)


def naive_logits(tokens: list[int]) -> Tensor:
    """The same network written out plainly, without a cache: logits after every token [n, V]."""
    raw, config = random_weights(), CONFIG
    norm = lambda x, w: x / (x.pow(2).mean(-1, keepdim=True) + config.norm_epsilon).sqrt() * w  # noqa: E731
    even = torch.arange(0, config.head_dim, 2)
    angle = torch.arange(len(tokens))[:, None] * config.rope_base ** (-even / config.head_dim)

    def rotate(x: Tensor) -> Tensor:  # [heads, n, d]
        first, second = x[..., 0::2], x[..., 1::2]
        turned_first = first * angle.cos() - second * angle.sin()
        turned_second = first * angle.sin() + second * angle.cos()
        return torch.stack([turned_first, turned_second], dim=-1).flatten(-2)

    x = raw["embedding"][tokens]
    for i in range(config.layers):
        qkv = norm(x, raw[f"{i}.attention_norm"]) @ raw[f"{i}.qkv"].T
        q, k, v = qkv.split([config.model_dim, config.kv_dim, config.kv_dim], dim=-1)
        q, k, v = (t.view(len(tokens), -1, config.head_dim).transpose(0, 1) for t in (q, k, v))
        groups = config.heads // config.kv_heads
        k, v = (t.repeat_interleave(groups, dim=0) for t in (rotate(k), v))
        mixed = F.scaled_dot_product_attention(rotate(q), k, v, is_causal=True, scale=1.0)
        x = x + mixed.transpose(0, 1).reshape(len(tokens), -1) @ raw[f"{i}.output"].T
        gate, up = (norm(x, raw[f"{i}.mlp_norm"]) @ raw[f"{i}.gate_up"].T).chunk(2, dim=-1)
        x = x + (F.silu(gate) * up) @ raw[f"{i}.down"].T
    return norm(x, raw["norm"]) @ raw["embedding"].T


def test_whole_prompt_equals_the_plain_network() -> None:
    logits = build().extend(KvCache(CONFIG, 1, POSITIONS), [Segment(0, TEXT)])
    torch.testing.assert_close(logits[0], naive_logits(TEXT)[-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pieces", [[1] * 12, [5, 7], [3, 1, 8]])
def test_pieces_equal_the_whole(pieces: list[int]) -> None:
    llama, cache = build(), KvCache(CONFIG, 1, POSITIONS)
    ends = [sum(pieces[:n]) for n in range(len(pieces) + 1)]
    for begin, end in pairwise(ends):
        logits = llama.extend(cache, [Segment(0, TEXT[begin:end])])
        torch.testing.assert_close(logits[0], naive_logits(TEXT)[end - 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("int8", [False, True])
def test_a_slot_computes_the_same_alone_and_among_others(int8: bool) -> None:
    llama = build(int8)
    alone, shared = KvCache(CONFIG, 3, POSITIONS), KvCache(CONFIG, 3, POSITIONS)
    llama.extend(shared, [Segment(0, [7, 8]), Segment(1, TEXT[:4]), Segment(2, [9])])
    llama.extend(alone, [Segment(1, TEXT[:4])])
    among = llama.extend(shared, [Segment(2, [1, 2, 3]), Segment(1, [TEXT[4]])])[1]
    single = llama.extend(alone, [Segment(1, [TEXT[4]])])[0]
    tolerance = 0.0 if int8 else 1e-5
    torch.testing.assert_close(among, single, rtol=tolerance, atol=tolerance)


def test_rolling_back_forgets_exactly_what_came_after() -> None:
    llama, cache = build(), KvCache(CONFIG, 1, POSITIONS)
    llama.extend(cache, [Segment(0, [*TEXT[:4], 40, 41, 42])])
    cache.rollback(0, 4)
    logits = llama.extend(cache, [Segment(0, TEXT[4:])])
    torch.testing.assert_close(logits[0], naive_logits(TEXT)[-1], rtol=1e-4, atol=1e-4)


def test_a_copied_beginning_serves_another_slot() -> None:
    llama, cache = build(), KvCache(CONFIG, 2, POSITIONS)
    llama.extend(cache, [Segment(0, [*TEXT[:6], 40])])
    cache.copy(0, 1, 6)
    logits = llama.extend(cache, [Segment(1, TEXT[6:])])
    torch.testing.assert_close(logits[0], naive_logits(TEXT)[-1], rtol=1e-4, atol=1e-4)
    assert cache.lengths == [7, len(TEXT)]


def test_what_nobody_wrote_is_never_read() -> None:
    llama, cache = build(), KvCache(CONFIG, 2, POSITIONS)
    cache.entries.fill_(torch.nan)
    assert torch.isfinite(llama.extend(cache, [Segment(1, TEXT)])).all()
    assert torch.isnan(cache.entries[:, 0]).all()


def test_a_full_cache_is_refused() -> None:
    llama, cache = build(), KvCache(CONFIG, 1, 4)
    with pytest.raises(AssertionError, match="cache is full"):
        llama.extend(cache, [Segment(0, TEXT)])


def test_memory_is_taken_as_dialogues_grow() -> None:
    shape = replace(CONFIG, layers=30, kv_heads=2, model_dim=256)  # heads of 64
    before = resident_bytes()
    cache = KvCache(shape, slots=8, positions=2048)
    assert cache.entries.nbytes > 400 * 2**20
    for layer in range(shape.layers):
        cache.write(layer, 3, 0, torch.ones(16, 4, 64))
    written = shape.layers * 16 * 4 * 64 * 4
    assert resident_bytes() - before < 3 * written + 4 * 2**20


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
