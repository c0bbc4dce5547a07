"""The inputs on which every kernel is checked and timed: those of a decode step of N rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from voiceserver.kernels import (
    activation,
    attention,
    convolution,
    embedding,
    gate,
    noise,
    norm,
    rope,
    sampling,
)
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.vocabulary import AUDIO_STREAMS, AUDIO_VOCABULARY, TEXT_VOCABULARY

TABLE_ROWS = 20_000  # of the embedding: enough that no cache holds it
CHANNELS, SAMPLES, DILATION = 128, 1024, 9  # of SNAC's third stage, one frame

Outputs = Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Case:
    """One op with its inputs."""

    name: str
    naive: Callable[..., Any]
    fused: Callable[..., Any]
    call: Callable[[Callable[..., Any], int], Outputs]  # an implementation, on so many rows
    size_bytes: Callable[[int], int]  # what it must read and write
    written: Callable[[int], list[Tensor]] = (
        lambda _: []
    )  # what a call wrote in place, read and cleared


def cases(config: MiniOmniConfig, device: torch.device, rows: int, context: int) -> list[Case]:
    """All ops at `rows` rows, attending to `context` positions each."""
    make = _Inputs(device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    return [
        _norm(config, make, rows),
        _rope(config, make, rows),
        _attention(config, make, rows, context),
        _gate(config, make, rows),
        _embedding(config, make, rows),
        *_sampling(make, rows),
        *_snac(make, rows),
    ]


class _Inputs:
    """Makes random tensors of the type that activations have on this device."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.width = dtype.itemsize

    def numbers(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.randn(*shape, dtype=dtype or self.dtype, device=self.device)

    def integers(self, end: int, *shape: int) -> Tensor:
        return torch.randint(end, shape, device=self.device)


def _norm(config: MiniOmniConfig, make: _Inputs, rows: int) -> Case:
    dim = config.model_dim
    x, delta = make.numbers(rows, dim, dtype=torch.float32), make.numbers(rows, dim)
    weight = make.numbers(dim)
    return Case(
        "add_rms_norm",
        norm.naive,
        norm.fused,
        lambda op, n: op(x[:n], delta[:n], weight, 1e-6),
        lambda n: n * dim * (8 + 2 * make.width) + dim * make.width,
    )


def _rope(config: MiniOmniConfig, make: _Inputs, rows: int) -> Case:
    positions, half = config.positions, config.head_dim // 2
    qkv, bias = make.numbers(rows, config.qkv_dim), make.numbers(config.qkv_dim)
    angles = make.numbers(positions, half, dtype=torch.float32)
    cos, sin = angles.cos(), angles.sin()
    keys, values = make.numbers(2, rows, positions, config.kv_heads, config.head_dim)
    places = torch.arange(rows, device=make.device), make.integers(positions, rows)

    def written(n: int) -> list[Tensor]:
        row, position = places[0][:n], places[1][:n]
        found = [keys[row, position], values[row, position]]
        keys.zero_()
        values.zero_()
        return found

    size = 2 * config.qkv_dim * make.width + config.head_dim * 4
    return Case(
        "rope_append",
        rope.naive,
        rope.fused,
        lambda op, n: op(qkv[:n], bias, cos, sin, keys, values, places[0][:n], places[1][:n]),
        lambda n: n * size,
        written,
    )


def _attention(config: MiniOmniConfig, make: _Inputs, rows: int, context: int) -> Case:
    shape = (2, rows, config.positions, config.kv_heads, config.head_dim)
    keys, values = make.numbers(*shape)
    query = make.numbers(rows, config.heads, config.head_dim)
    row = torch.arange(rows, device=make.device)
    lengths = torch.full((rows,), context, device=make.device)
    position = 2 * config.kv_heads * config.head_dim * make.width
    return Case(
        "decode_attention",
        attention.naive,
        attention.fused,
        lambda op, n: op(query[:n], keys, values, row[:n], lengths[:n]),
        lambda n: n * (context * position + 2 * config.attention_dim * make.width),
    )


def _gate(config: MiniOmniConfig, make: _Inputs, rows: int) -> Case:
    gate_up = make.numbers(rows, 2 * config.hidden_dim)
    return Case(
        "swiglu",
        gate.naive,
        gate.fused,
        lambda op, n: op(gate_up[:n]),
        lambda n: n * 3 * config.hidden_dim * make.width,
    )


def _embedding(config: MiniOmniConfig, make: _Inputs, rows: int) -> Case:
    table, ids = make.numbers(TABLE_ROWS, config.model_dim), make.integers(TABLE_ROWS, rows, 8)
    return Case(
        "embedding_mean",
        embedding.naive,
        embedding.fused,
        lambda op, n: op(ids[:n], table),
        lambda n: n * config.model_dim * (8 * make.width + 4),
    )


def _sampling(make: _Inputs, rows: int) -> list[Case]:
    """Both heads, greedy and drawn. A session samples once for its two rows."""
    seeds, steps = make.integers(1000, rows), make.integers(1000, rows)

    def case(name: str, heads: int, vocabulary: int, temperature: float, top_k: int) -> Case:
        logits = make.numbers(max(1, rows // 2), heads, vocabulary)
        heat = torch.full((rows,), temperature, device=make.device)

        def call(op: Callable[..., Any], n: int) -> Outputs:
            n = max(1, n // 2)
            ids: Tensor = op(logits[:n], heat[:n], top_k, seeds[:n], steps[:n], 8 - heads)
            return ids

        def size_bytes(n: int) -> int:
            return max(1, n // 2) * heads * (vocabulary * make.width + 8)

        return Case(name, sampling.naive, sampling.fused, call, size_bytes)

    return [
        case("sample audio, greedy", AUDIO_STREAMS, AUDIO_VOCABULARY, 0.0, 0),
        case("sample audio, top 50", AUDIO_STREAMS, AUDIO_VOCABULARY, 0.9, 50),
        case("sample text, greedy", 1, TEXT_VOCABULARY, 0.0, 0),
        case("sample text, top 50", 1, TEXT_VOCABULARY, 0.9, 50),
    ]


def _snac(make: _Inputs, rows: int) -> list[Case]:
    """The codec computes in float32 on every device, one stream a session."""
    streams = max(1, rows // 2)
    length = SAMPLES + 6 * DILATION
    x = make.numbers(streams, length, CHANNELS, dtype=torch.float32)
    before, after = make.numbers(2, 2, CHANNELS, dtype=torch.float32).abs()
    taps = make.numbers(CHANNELS, 7, dtype=torch.float32)
    bias = make.numbers(CHANNELS, dtype=torch.float32)
    mask = (make.numbers(streams, length, dtype=torch.float32) > 0).float()
    seeds, stages = make.integers(1000, streams), make.integers(4, SAMPLES)
    samples = make.integers(1_000_000, streams, SAMPLES)
    step = CHANNELS * 4
    return [
        Case(
            "snake",
            activation.naive,
            activation.fused,
            lambda op, n: op(x[: max(1, n // 2)], before),
            lambda n: max(1, n // 2) * length * 2 * step,
        ),
        Case(
            "snake_conv",
            convolution.naive,
            convolution.fused,
            lambda op, n: op(
                x[: max(1, n // 2)], before, taps, bias, after, DILATION, mask[: max(1, n // 2)]
            ),
            lambda n: max(1, n // 2) * (length + SAMPLES) * step,
        ),
        Case(
            "normal_noise",
            noise.naive,
            noise.fused,
            lambda op, n: op(seeds[: max(1, n // 2)], stages, samples[: max(1, n // 2)]),
            lambda n: max(1, n // 2) * SAMPLES * 12,
        ),
    ]
