"""The decoder layers that Mini-Omni's Qwen2 and SyncLLM's Llama share; state is the caller's cache.

Any number of positions of any number of rows go through together: a piece of a prompt is so many
queries of one row, each of which sees the positions up to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceserver import kernels
from voiceserver.nn.linear import Linear

QUERIES_AT_ONCE = 256  # of a prompt; bounds the memory that attention takes


@dataclass(frozen=True)
class Layer:
    """Weights of one layer, fused so that a step makes four products."""

    attention_norm: Tensor  # [D]
    qkv: Linear  # D -> queries, keys and values, one after the other
    qkv_bias: Tensor  # [(H + 2 Hkv) d]
    output: Linear  # H d -> D
    mlp_norm: Tensor  # [D]
    gate_up: Linear  # D -> 2 hidden
    down: Linear  # hidden -> D


@dataclass(frozen=True)
class Trunk:
    """All layers, the last norm, and the angles of every position."""

    layers: tuple[Layer, ...]
    norm: Tensor  # [D]
    cos: Tensor  # [T, d / 2], float32
    sin: Tensor
    norm_epsilon: float

    def run(
        self,
        x: Tensor,  # [N, D]
        keys: Sequence[Tensor],  # of each layer: [R, T, Hkv, d], written in place
        values: Sequence[Tensor],
        rows: Tensor,  # [N], a row's positions side by side
        positions: Tensor,  # [N]
    ) -> Tensor:
        """What the heads take: [N, D]"""
        lengths = positions + 1
        delta: Tensor | None = None
        for layer, k, v in zip(self.layers, keys, values, strict=True):
            x, normed = kernels.add_rms_norm(x, delta, layer.attention_norm, self.norm_epsilon)
            query = kernels.rope_append(
                layer.qkv(normed), layer.qkv_bias, self.cos, self.sin, k, v, rows, positions
            )
            mixed = _attention(query, k, v, rows, lengths).flatten(1)  # [N, H d]
            x, normed = kernels.add_rms_norm(
                x, layer.output(mixed), layer.mlp_norm, self.norm_epsilon
            )
            delta = layer.down(kernels.swiglu(layer.gate_up(normed)))
        _, normed = kernels.add_rms_norm(x, delta, self.norm, self.norm_epsilon)
        return normed


def rotary_frequencies(head_dim: int, base: float, device: torch.device) -> Tensor:
    """Radians a position of every pair: [d / 2], float32"""
    even = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device)
    return 1.0 / base ** (even / head_dim)


def rotary_tables(frequency: Tensor, positions: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position and pair, in float32: two of [T, d / 2]"""
    time = torch.arange(positions, dtype=torch.float32, device=frequency.device)
    angle = torch.outer(time, frequency)
    return angle.cos(), angle.sin()


def _attention(
    query: Tensor, keys: Tensor, values: Tensor, rows: Tensor, lengths: Tensor
) -> Tensor:
    """`kernels.decode_attention` in pieces: [N, H, d] -> [N, H, d]"""
    if len(query) <= QUERIES_AT_ONCE:
        return kernels.decode_attention(query, keys, values, rows, lengths)
    pieces = [torch.split(tensor, QUERIES_AT_ONCE) for tensor in (query, rows, lengths)]
    return torch.cat(
        [kernels.decode_attention(q, keys, values, r, n) for q, r, n in zip(*pieces, strict=True)]
    )
