"""A small Llama for many sessions at once: one call takes new tokens of any number of slots.

The key/value cache is passed in and belongs to the caller; a slot is rolled back by shortening its
length. All rows of a call go through every linear layer together, attention runs slot by slot, so a
slot's result does not depend on who else is in the batch. It is not a training module and knows
nothing of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.nn.linear import Linear


@dataclass(frozen=True)
class LlamaConfig:
    """The shape of a Llama, with the names GGUF files use."""

    layers: int
    model_dim: int
    hidden_dim: int
    heads: int
    kv_heads: int
    vocabulary: int
    rope_base: float
    norm_epsilon: float

    @property
    def head_dim(self) -> int:
        return self.model_dim // self.heads

    @property
    def kv_dim(self) -> int:
        return self.kv_heads * self.head_dim


@dataclass(frozen=True)
class LlamaLayer:
    """Weights of one layer; `qkv` and `gate_up` are fused so that a step makes four products."""

    attention_norm: Tensor  # [D]
    qkv: Linear  # D -> D + 2 * kv_dim; queries come divided by the root of head_dim
    output: Linear  # D -> D
    mlp_norm: Tensor  # [D]
    gate_up: Linear  # D -> 2 * hidden
    down: Linear  # hidden -> D


@dataclass(frozen=True)
class LlamaWeights:
    embedding: Tensor  # [V, D], any float type
    layers: tuple[LlamaLayer, ...]
    norm: Tensor  # [D]
    head: Linear  # D -> V


class KvCache:
    """Keys and values of every slot, and how many positions of each slot are filled."""

    def __init__(self, config: LlamaConfig, slots: int, positions: int) -> None:
        # A position's numbers lie together, and numpy's zeros take no memory until written: the
        # memory in use follows the dialogues. Both: [slots, T, layers, Hkv, d]
        shape = (slots, positions, config.layers, config.kv_heads, config.head_dim)
        self.keys = torch.from_numpy(np.zeros(shape, np.float32))
        self.values = torch.from_numpy(np.zeros(shape, np.float32))
        self.lengths = [0] * slots

    @property
    def positions(self) -> int:
        return self.keys.shape[1]

    def rollback(self, slot: int, length: int) -> None:
        """Forget everything of a slot after its first `length` positions."""
        assert 0 <= length <= self.lengths[slot], f"slot {slot}: {length} of {self.lengths[slot]}"
        self.lengths[slot] = length

    def copy(self, source: int, target: int, length: int) -> None:
        """Let `target` hold the first `length` positions of `source` and nothing else."""
        assert length <= self.lengths[source], f"slot {source}: {length} of {self.lengths[source]}"
        for store in (self.keys, self.values):
            store[target, :length] = store[source, :length]
        self.lengths[target] = length


@dataclass(frozen=True)
class Segment:
    """New tokens of one slot, to stand after what its cache holds."""

    slot: int
    tokens: Sequence[int]


class Llama:
    """The network: weights and rotary tables; all state is in the cache."""

    def __init__(self, config: LlamaConfig, weights: LlamaWeights, positions: int) -> None:
        self.config = config
        self._weights = weights
        self._turns = rotary_turns(config.head_dim, positions, config.rope_base)
        # Adding it under the root of a norm: sqrt(sum(x^2) + D * epsilon).
        self._norm_floor = torch.tensor((config.model_dim * config.norm_epsilon) ** 0.5)

    @torch.inference_mode()
    def extend(self, cache: KvCache, segments: Sequence[Segment]) -> Tensor:
        """Append each segment to its slot; logits after its last token: [segments, V]."""
        spans = _spans(cache, segments)
        tokens = torch.tensor([token for segment in segments for token in segment.tokens])
        positions = torch.cat([torch.arange(s.begin, s.end) for s in spans])  # [N]
        turns = self._turns[positions, None]  # [N, 1, d / 2]
        x = self._weights.embedding[tokens].float()  # [N, D]
        for index, layer in enumerate(self._weights.layers):
            normed = self._norm(x, layer.attention_norm)
            x = x + self._attend(index, layer, normed, turns, cache, spans)
            gate, up = layer.gate_up(self._norm(x, layer.mlp_norm)).chunk(2, dim=-1)
            x = x + layer.down(F.silu(gate).mul_(up))
        for span in spans:
            cache.lengths[span.slot] = span.end
        last = x[[span.row_end - 1 for span in spans]]  # [segments, D]
        return self._weights.head(self._norm(last, self._weights.norm))

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        """RMS norm in few operations: torch's own takes ten, and a step has 61. x: [N, D]"""
        length = torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self._norm_floor)
        return (x / length).mul_(weight * self.config.model_dim**0.5)

    def _attend(
        self,
        index: int,
        layer: LlamaLayer,
        normed: Tensor,  # [N, D]
        turns: Tensor,  # [N, 1, d / 2]
        cache: KvCache,
        spans: Sequence[_Span],
    ) -> Tensor:
        config = self.config
        qkv = layer.qkv(normed).view(len(normed), -1, config.head_dim)  # [N, H + 2 Hkv, d]
        rotated = _rotate(qkv[:, : config.heads + config.kv_heads], turns)
        query, key = rotated[:, : config.heads], rotated[:, config.heads :]
        value = qkv[:, config.heads + config.kv_heads :]
        mixed = torch.empty(len(normed), config.model_dim)
        for span in spans:
            rows = slice(span.row_begin, span.row_end)
            keys = cache.keys[span.slot, : span.end, index]  # [T, Hkv, d]
            values = cache.values[span.slot, : span.end, index]
            keys[span.begin :] = key[rows]
            values[span.begin :] = value[rows]
            mixed[rows] = _attention(query[rows], keys, values)
        return layer.output(mixed)


@dataclass(frozen=True)
class _Span:
    """Where a segment lies: rows of this call, and positions in its slot's cache."""

    slot: int
    row_begin: int
    row_end: int
    begin: int
    end: int


def _spans(cache: KvCache, segments: Sequence[Segment]) -> list[_Span]:
    spans: list[_Span] = []
    row = 0
    for segment in segments:
        begin, count = cache.lengths[segment.slot], len(segment.tokens)
        assert count > 0, f"slot {segment.slot}: nothing to append"
        assert begin + count <= cache.positions, f"slot {segment.slot}: cache is full"
        spans.append(_Span(segment.slot, row, row + count, begin, begin + count))
        row += count
    return spans


def rotary_turns(head_dim: int, positions: int, base: float) -> Tensor:
    """How each pair of a head's numbers is turned at each position: complex [positions, d / 2]"""
    frequency = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angle = torch.outer(torch.arange(positions, dtype=torch.float32), frequency)
    return torch.polar(torch.ones_like(angle), angle)


def _rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotary position embedding of neighbouring pairs. x: [N, heads, d]"""
    pairs = torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)


def _attention(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Causal attention of the last n positions: [n, H, d], two of [T, Hkv, d] -> [n, D]."""
    count, heads, head_dim = query.shape
    length, kv_heads, _ = keys.shape
    # Query heads that share a key head become rows of one product: [Hkv, H/Hkv * n, d].
    grouped = query.view(count, kv_heads, heads // kv_heads, head_dim)
    grouped = grouped.permute(1, 2, 0, 3).reshape(kv_heads, -1, head_dim)
    scores = torch.bmm(grouped, keys.permute(1, 2, 0))  # [Hkv, H/Hkv * n, T]
    if count > 1:
        future = torch.ones(count, length, dtype=torch.bool).triu_(length - count + 1)
        scores.view(kv_heads, -1, count, length).masked_fill_(future, -torch.inf)
    mixed = torch.bmm(scores.softmax(dim=-1), values.transpose(0, 1))
    mixed = mixed.view(kv_heads, heads // kv_heads, count, head_dim)
    return mixed.permute(2, 0, 1, 3).reshape(count, heads * head_dim)
