"""Models whose weights follow the drawing rule of the recorded vectors, at any size and seed.

The .npz files beside this hold what the published code (gpt-omni/mini-omni at 26c31d5; fp32, CPU)
computes with such a model: the logits after the A1A2 prompt, and greedy answers to every task, cut
off at `max_returned_tokens` positions. No weights travel: `state_dict` draws them again.
`record.py` made published_seed*; mini_omni_seed1 came with the project's reference material.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from voiceserver.nn.mini_omni import weights
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.network import MiniOmni

HEAD, TABLE = "lm_head.weight", "transformer.wte.weight"


def state_dict(seed: int, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """A checkpoint with these keys; each tensor depends on the seed, its key and its shape."""
    drawn = {key: draw(seed, key, shape) for key, shape in shapes.items() if key != HEAD}
    return {HEAD: drawn[TABLE], **drawn}


def draw(seed: int, key: str, shape: Sequence[int]) -> Tensor:
    numbers = np.random.default_rng([seed, zlib.crc32(key.encode())])
    if "norm" in key or "ln_f" in key:
        values = numbers.uniform(0.5, 1.5, shape)
    elif key.endswith("bias"):
        values = numbers.normal(0, 0.2, shape)
    elif "wte" in key:
        values = numbers.normal(0, 1, shape)
    else:
        values = numbers.normal(0, 0.15, shape)
    return torch.from_numpy(values.astype(np.float32))


def features(seed: int, frames: int, whisper_dim: int) -> Tensor:
    """What a Whisper encoder might give: [frames, whisper]"""
    numbers = np.random.default_rng([seed, 777]).normal(0, 1, (1, frames, whisper_dim))
    return torch.from_numpy(numbers[0].astype(np.float32))


def config(**sizes: int) -> MiniOmniConfig:
    """A small model's sizes, or others."""
    usual = {"layers": 2, "model_dim": 32, "hidden_dim": 48, "heads": 4, "kv_heads": 2}
    return MiniOmniConfig(**(usual | {"head_dim": 8, "whisper_dim": 20, "positions": 96} | sizes))


@cache
def small_state() -> dict[str, Tensor]:
    return state_dict(3, weights.shapes(config()))


@cache
def small_model(int8: bool = False) -> MiniOmni:
    """What tests share that only look on; float32 on the CPU."""
    return MiniOmni(config(), small_state(), torch.device("cpu"), torch.float32, int8)
