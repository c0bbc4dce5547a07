"""A small Llama for many sessions at once: one call takes new tokens of any number of slots.

The key/value cache is passed in and belongs to the caller; a slot is rolled back by shortening its
length. All rows of a call go through every linear layer together, attention runs slot by slot, so a
slot's result does not depend on who else is in the batch. It is not a training module and knows
nothing of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import prod
from mmap import MADV_NOHUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap

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
        # What one product reads lies together; keys come before values.
        shape = (config.layers, slots, 2 * config.kv_heads, positions, config.head_dim)
        self.entries = _unwritten(shape)  # [layers, slots, 2 Hkv, T, d]
        self.lengths = [0] * slots
        # Views that a step would make anew: of a layer's slot all, its keys and its values.
        self._views = [[(slot, *slot.chunk(2)) for slot in layer] for layer in self.entries]

    @property
    def positions(self) -> int:
        return self.entries.shape[3]

    def write(self, layer: int, slot: int, begin: int, new: Tensor) -> tuple[Tensor, Tensor]:
        """Put keys and values behind `begin`; all up to their end. [n, 2 Hkv, d] -> [Hkv, T, d]"""
        entries, keys, values = self._views[layer][slot]
        entries.narrow(1, begin, len(new)).copy_(new.transpose(0, 1))
        end = begin + len(new)
        return keys.narrow(1, 0, end), values.narrow(1, 0, end)

    def rollback(self, slot: int, length: int) -> None:
        """Forget everything of a slot after its first `length` positions."""
        assert 0 <= length <= self.lengths[slot], f"slot {slot}: {length} of {self.lengths[slot]}"
        self.lengths[slot] = length

    def copy(self, source: int, target: int, length: int) -> None:
        """Let `target` hold the first `length` positions of `source` and nothing else."""
        assert length <= self.lengths[source], f"slot {source}: {length} of {self.lengths[source]}"
        self.entries[:, target, :, :length] = self.entries[:, source, :, :length]
        self.lengths[target] = length


def _unwritten(shape: tuple[int, ...]) -> Tensor:
    """Zeros that take memory as they are written: the memory in use follows the dialogues."""
    memory = mmap(-1, 4 * prod(shape), MAP_PRIVATE | MAP_ANONYMOUS)
    if hasattr(memory, "madvise"):  # of large pages each of many small regions would take one
        memory.madvise(MADV_NOHUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.float32).view(shape)


@dataclass(frozen=True)
class Segment:
    """New tokens of one slot, to stand after what its cache holds."""

    slot: int
    tokens: Sequence[int]


class Llama:
    """The network: weights and rotary tables; all state is in the cache."""

    def __init__(self, config: LlamaConfig, weights: LlamaWeights, positions: int) -> None:
        self.config = config
        self._weights = _with_root_in_norms(weights, config.model_dim)
        turns = rotary_turns(config.head_dim, positions, config.rope_base)[:, None]
        # Values are turned by nothing, in the same product: [positions, H + 2 Hkv, d / 2]
        turned = turns.expand(-1, config.heads + config.kv_heads, -1)
        still = torch.ones_like(turns).expand(-1, config.kv_heads, -1)
        self._turns = torch.cat([turned, still], dim=1)
        # Adding it under the root of a norm: sqrt(sum(x^2) + D * epsilon).
        self._norm_floor = torch.tensor((config.model_dim * config.norm_epsilon) ** 0.5)

    def extend(self, cache: KvCache, segments: Sequence[Segment]) -> Tensor:
        """Append each segment to its slot; logits after its last token: [segments, V]."""
        x = self.read(cache, segments)
        ends = list(accumulate(len(segment.tokens) for segment in segments))
        return self.predict(x[[end - 1 for end in ends]])

    @torch.inference_mode()
    def predict(self, x: Tensor) -> Tensor:
        """Logits of what follows tokens that were read: [n, D] -> [n, V]."""
        return self._weights.head(self._norm(x, self._weights.norm))

    @torch.inference_mode()
    def read(self, cache: KvCache, segments: Sequence[Segment]) -> Tensor:
        """Append each segment to its slot; what the last layer makes of every token: [N, D]."""
        spans = _spans(self.config, cache, segments)
        tokens = torch.tensor([token for segment in segments for token in segment.tokens])
        positions = torch.cat([torch.arange(s.begin, s.end) for s in spans])  # [N]
        turns = self._turns[positions]  # [N, H + 2 Hkv, d / 2]
        x = self._weights.embedding[tokens].float()  # [N, D]
        for index, layer in enumerate(self._weights.layers):
            normed = self._norm(x, layer.attention_norm)
            x = x + self._attend(index, layer, normed, turns, cache, spans)
            gate, up = layer.gate_up(self._norm(x, layer.mlp_norm)).chunk(2, dim=-1)
            x = x + layer.down(F.silu(gate).mul_(up))
        for span in spans:
            cache.lengths[span.slot] = span.end
        return x

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        """RMS norm in few operations: torch's own takes ten, and a step has 61. x: [N, D]"""
        length = torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self._norm_floor)
        return (x / length).mul_(weight)

    def _attend(
        self,
        index: int,
        layer: LlamaLayer,
        normed: Tensor,  # [N, D]
        turns: Tensor,  # [N, H + 2 Hkv, d / 2]
        cache: KvCache,
        spans: Sequence[_Span],
    ) -> Tensor:
        heads, head_dim = self.config.heads, self.config.head_dim
        qkv = layer.qkv(normed).view(len(normed), -1, head_dim)
        qkv = _rotate(qkv, turns)
        query, new = qkv.narrow(1, 0, heads), qkv.narrow(1, heads, qkv.shape[1] - heads)
        mixed = []
        for span in spans:
            rows = slice(span.row_begin, span.row_end)
            keys, values = cache.write(index, span.slot, span.begin, new[rows])
            mixed.append(_attention(query[rows], keys, values, span.mask))
        return layer.output(torch.cat(mixed) if len(mixed) > 1 else mixed[0])


def _with_root_in_norms(weights: LlamaWeights, dim: int) -> LlamaWeights:
    """Norm weights for rows divided by their length instead of their root mean square."""
    root = dim**0.5
    layers = tuple(
        replace(
            layer,
            attention_norm=layer.attention_norm * root,
            mlp_norm=layer.mlp_norm * root,
        )
        for layer in weights.layers
    )
    return replace(weights, layers=layers, norm=weights.norm * root)


@dataclass(frozen=True)
class _Span:
    """Where a segment lies: rows of this call, and positions in its slot's cache."""

    slot: int
    row_begin: int
    row_end: int
    begin: int
    end: int
    mask: Tensor | None  # added to its scores


def _mask(begin: int, count: int, group: int) -> Tensor:
    """Keeps `count` new positions from the later ones of them: [count * group, begin + count]."""
    mask = torch.full((count, begin + count), -torch.inf).triu_(begin + 1)
    return mask.repeat_interleave(group, dim=0)


def _spans(config: LlamaConfig, cache: KvCache, segments: Sequence[Segment]) -> list[_Span]:
    spans: list[_Span] = []
    row = 0
    for segment in segments:
        begin, count = cache.lengths[segment.slot], len(segment.tokens)
        assert count > 0, f"slot {segment.slot}: nothing to append"
        assert begin + count <= cache.positions, f"slot {segment.slot}: cache is full"
        mask = _mask(begin, count, config.heads // config.kv_heads) if count > 1 else None
        spans.append(_Span(segment.slot, row, row + count, begin, begin + count, mask))
        row += count
    return spans


def rotary_turns(head_dim: int, positions: int, base: float) -> Tensor:
    """How each pair of a head's numbers is turned at each position: complex [positions, d / 2]"""
    frequency = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angle = torch.outer(torch.arange(positions, dtype=torch.float32), frequency)
    return torch.polar(torch.ones_like(angle), angle)


def _rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotary position embedding of neighbouring pairs. x: [N, heads, d]"""
    rows, heads, head_dim = x.shape
    pairs = torch.view_as_complex(x.view(rows, heads, head_dim // 2, 2))
    return torch.view_as_real(pairs * turns).view(rows, heads, head_dim)


def _attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Causal attention of the last n positions: [n, H, d], two of [Hkv, T, d] -> [n, D]."""
    (count, _, head_dim), kv_heads = query.shape, len(keys)
    keys = keys.transpose(1, 2)  # [Hkv, d, T]
    # Query heads that share a key head become rows of one product: [Hkv, n * H/Hkv, d].
    if mask is None:  # one position: they lie so already
        scores = torch.bmm(query.view(kv_heads, -1, head_dim), keys)
        return torch.bmm(scores.softmax(dim=-1), values).view(1, -1)
    grouped = query.view(count, kv_heads, -1, head_dim).transpose(0, 1)
    scores = torch.baddbmm(mask, grouped.reshape(kv_heads, -1, head_dim), keys)
    mixed = torch.bmm(scores.softmax(dim=-1), values).view(kv_heads, count, -1, head_dim)
    return mixed.transpose(0, 1).reshape(count, -1)
