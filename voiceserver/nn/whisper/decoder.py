"""Whisper's text decoder for one utterance at a time: tokens in, scores of the next ones out.

All state is passed in: what is attended to of the sound (`Memory`), computed once for it, and keys
and values of the tokens so far (`Written`), which grow in place and can be shortened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.clock import exact_div
from voiceserver.nn.whisper.encoder import Affine, Norm

ROWS_AT_LEAST = 4  # of queries in a product


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes. Tiny.en: 51864 tokens, 448 positions, 384 wide, 6 heads, 4 layers."""

    vocabulary: int
    positions: int
    dim: int
    heads: int
    layers: int

    @property
    def head_dim(self) -> int:
        return exact_div(self.dim, self.heads)


@dataclass(frozen=True)
class DecoderLayer:
    """Weights of one layer; all queries come divided by the root of head_dim."""

    attention_norm: Norm
    qkv: Affine  # D -> 3 D
    output: Affine  # D -> D
    cross_norm: Norm
    cross_query: Affine  # D -> D
    cross_keys_values: Affine  # encoder states, D -> 2 D
    cross_output: Affine  # D -> D
    mlp_norm: Norm
    up: Affine  # D -> 4 D
    down: Affine  # 4 D -> D


@dataclass(frozen=True)
class DecoderWeights:
    embedding: Tensor  # [V, D], any float type
    positions: Tensor  # [P, D]
    layers: tuple[DecoderLayer, ...]
    norm: Norm
    head: Affine  # D -> V, the embedding again


@dataclass(frozen=True)
class Memory:
    """What every layer can attend to of S encoder states."""

    keys: tuple[Tensor, ...]  # by layer, [H, d, S]: as the product with a query wants them
    values: tuple[Tensor, ...]  # by layer, [H, S, d]

    def __len__(self) -> int:
        return self.values[0].shape[1]

    def followed_by(self, other: Memory, begin: int, end: int) -> Memory:
        """This, and then the states `begin` to `end` of another."""
        pairs = zip(self.keys, other.keys, strict=True)
        keys = tuple(torch.cat([ours, theirs[:, :, begin:end]], 2) for ours, theirs in pairs)
        pairs = zip(self.values, other.values, strict=True)
        values = tuple(torch.cat([ours, theirs[:, begin:end]], 1) for ours, theirs in pairs)
        return Memory(keys, values)


class Written:
    """Keys and values of the tokens so far."""

    def __init__(self, config: DecoderConfig, positions: int) -> None:
        assert positions <= config.positions, f"{positions} tokens, {config.positions} positions"
        shape = (config.layers, config.heads, positions, config.head_dim)
        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)
        self.length = 0

    def shorten(self, length: int) -> None:
        """Forget all tokens after the first `length`."""
        assert 0 <= length <= self.length, f"{length} of {self.length}"
        self.length = length


class WhisperDecoder:
    """The network: weights only."""

    def __init__(self, config: DecoderConfig, weights: DecoderWeights) -> None:
        self.config = config
        self._weights = weights

    @torch.inference_mode()
    def memory(self, states: Tensor) -> Memory:
        """What will be attended to of encoder states [S, D]."""
        keys, values = [], []
        for layer in self._weights.layers:
            key, value = layer.cross_keys_values(states).chunk(2, dim=1)
            keys.append(self._by_head(key).transpose(1, 2).contiguous())
            values.append(self._by_head(value).contiguous())
        return Memory(tuple(keys), tuple(values))

    @torch.inference_mode()
    def extend(self, written: Written, tokens: Sequence[int], memory: Memory) -> Tensor:
        """Append tokens; scores of what follows each of them: [n, V]"""
        begin, end = written.length, written.length + len(tokens)
        x = self._weights.embedding[torch.tensor(tokens)].float()  # [n, D]
        x = x + self._weights.positions[begin:end]
        for index, layer in enumerate(self._weights.layers):
            x = x + layer.output(self._attend(index, layer.qkv(layer.attention_norm(x)), written))
            query = self._by_head(layer.cross_query(layer.cross_norm(x)))
            mixed = attended(query, memory.keys[index], memory.values[index])
            x = x + layer.cross_output(mixed)
            x = x + layer.down(F.gelu(layer.up(layer.mlp_norm(x))))
        written.length = end
        return self._weights.head(self._weights.norm(x))

    def _attend(self, index: int, qkv: Tensor, written: Written) -> Tensor:
        """Causal attention of n new tokens to all so far: [n, 3 D] -> [n, D]"""
        begin, end = written.length, written.length + len(qkv)
        query, key, value = (self._by_head(part) for part in qkv.chunk(3, dim=1))
        keys, values = written.keys[index], written.values[index]  # [H, P, d]
        keys[:, begin:end] = key
        values[:, begin:end] = value
        future = torch.ones(len(qkv), keys.shape[1], dtype=torch.bool).triu_(begin + 1)
        return attended(query, keys.transpose(1, 2), values, future)

    def _by_head(self, x: Tensor) -> Tensor:
        """[n, D] -> [H, n, d]"""
        return x.view(len(x), self.config.heads, -1).transpose(0, 1)


def attended(query: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Attention of n rows: [H, n, d], [H, d, S], [H, S, d], hidden [n, S] -> [n, D].

    Products of few rows round otherwise than those of many, which int8 would make more of: with
    rows of zeros beside them a token's numbers are the same alone and in a draft.
    """
    count = query.shape[1]
    query = F.pad(query, (0, 0, 0, max(0, ROWS_AT_LEAST - count)))
    scores = torch.bmm(query, keys)  # [H, n or more, S]
    if hidden is not None:
        scores[:, :count].masked_fill_(hidden, -torch.inf)
    mixed = torch.bmm(scores.softmax(dim=-1), values)
    return mixed[:, :count].transpose(0, 1).flatten(1)
