"""The shape of a Llama from a Hugging Face config.json, which must ask for no more than that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.trunk import rotary_frequencies

# What the network does, and what a config.json may therefore say of it or leave out.
FIXED = {
    "model_type": "llama",
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
}


@dataclass(frozen=True)
class RopeStretch:
    """Llama 3.1's way to longer contexts: slow pairs turn `factor` times slower."""

    factor: float
    low_frequency: float  # turns of a pair in the original context: at most this is slow,
    high_frequency: float  # at least this is fast and stays
    original_positions: int


@dataclass(frozen=True)
class LlamaShape:
    """Sizes of a Llama."""

    layers: int
    model_dim: int
    hidden_dim: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    positions: int
    norm_epsilon: float = 1e-6
    rope_base: float = 10_000.0
    rope_stretch: RopeStretch | None = None
    bos: int | None = None  # stands in front of everything

    @property
    def attention_dim(self) -> int:
        return self.heads * self.head_dim

    @property
    def qkv_dim(self) -> int:
        return (self.heads + 2 * self.kv_heads) * self.head_dim

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> LlamaShape:
        """From the fields of config.json."""
        for name, value in FIXED.items():
            if fields.get(name, value) != value:
                raise AssetError(f"config.json: {name} is {fields[name]!r}, not {value!r}")
        try:
            heads, model_dim = int(fields["num_attention_heads"]), int(fields["hidden_size"])
            base, stretch = _rope(fields)
            bos = fields.get("bos_token_id")
            return cls(
                layers=int(fields["num_hidden_layers"]),
                model_dim=model_dim,
                hidden_dim=int(fields["intermediate_size"]),
                heads=heads,
                kv_heads=int(fields.get("num_key_value_heads") or heads),
                head_dim=int(fields.get("head_dim") or model_dim // heads),
                vocabulary=int(fields["vocab_size"]),
                positions=int(fields["max_position_embeddings"]),
                norm_epsilon=float(fields.get("rms_norm_eps", cls.norm_epsilon)),
                rope_base=base,
                rope_stretch=stretch,
                bos=None if bos is None else int(bos),
            )
        except KeyError as error:
            raise AssetError(f"config.json: {error.args[0]} is missing") from error
        except (TypeError, ValueError) as error:
            raise AssetError(f"config.json: {error}") from error

    def frequencies(self, device: torch.device) -> Tensor:
        """Radians a position of every pair: [d / 2]"""
        plain = rotary_frequencies(self.head_dim, self.rope_base, device)
        if self.rope_stretch is None:
            return plain
        stretch = self.rope_stretch
        turns = stretch.original_positions * plain / (2 * math.pi)
        # How much of the fast pairs' way: 0 where a pair is slow, 1 where it is fast.
        span = stretch.high_frequency - stretch.low_frequency
        fast = ((turns - stretch.low_frequency) / span).clamp(0.0, 1.0)
        return plain * fast + plain / stretch.factor * (1.0 - fast)


def _rope(fields: Mapping[str, Any]) -> tuple[float, RopeStretch | None]:
    """Base and stretch; older folders have rope_theta and rope_scaling, newer rope_parameters."""
    scaling = fields.get("rope_parameters") or fields.get("rope_scaling") or {}
    base = float(scaling.get("rope_theta", fields.get("rope_theta", LlamaShape.rope_base)))
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return base, None
    if kind != "llama3":
        raise AssetError(f"config.json: rope of type {kind!r}; default and llama3 are known")
    return base, RopeStretch(
        factor=float(scaling["factor"]),
        low_frequency=float(scaling["low_freq_factor"]),
        high_frequency=float(scaling["high_freq_factor"]),
        original_positions=int(scaling["original_max_position_embeddings"]),
    )
