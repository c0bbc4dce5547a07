"""Compiles every kernel for an H100 down to machine code, with no GPU at hand: `python hopper.py`.

The launchers run as they are, on CPU tensors of Mini-Omni's shapes and types; a driver that
launches nothing stands in for CUDA's. What the interpreter lets pass shows here: names that a
compiled kernel cannot see, branches whose types differ, blocks that do not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

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

H100_SHARED_BYTES = 232_448


class Driver:
    """As much of a Triton driver as compiling asks for; it notes what would be loaded."""

    def __init__(self) -> None:
        self.utils = self
        self.loaded: dict[str, int] = {}  # kernel -> bytes of shared memory

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_device_properties(self, device: int) -> dict[str, int]:
        return {"max_shared_mem": H100_SHARED_BYTES}

    def load_binary(
        self, name: str, binary: bytes, shared: int, device: int
    ) -> tuple[int, int, int, int, int]:
        self.loaded[name] = max(shared, self.loaded.get(name, 0))
        return 0, 0, 0, 0, 1024  # module, function, registers, spills, threads at most

    def unload_module(self, module: int) -> None: ...

    def launcher_cls(self, source: Any, metadata: Any) -> Callable[..., None]:
        return lambda *_: None


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.bfloat16)


def launch_all() -> None:
    x, index, heat = torch.randn(2, 896), torch.zeros(2, dtype=torch.int64), torch.ones(2)
    angles = torch.randn(2048, 32)
    cache, short = normal(4, 2048, 2, 64), normal(4, 128, 2, 64)
    norm.fused(x, normal(2, 896), normal(896), 1e-6)
    norm.fused(x, None, normal(896), 1e-6)
    gate.fused(normal(2, 2 * 4864))
    embedding.fused(torch.zeros(2, 8, dtype=torch.int64), normal(500, 896))
    rope.fused(normal(2, 1152), normal(1152), angles, angles, cache, cache, index, index)
    attention.fused(normal(2, 14, 64), cache, cache, index, index)
    attention.fused(normal(2, 14, 64), short, short, index, index)
    for top_k in (0, 1, 50):
        sampling.fused(normal(2, 7, 4160), heat, top_k, index, index, 0)
        sampling.fused(normal(2, 1, 152_000), heat, top_k, index, index, 7)
    sound, numbers, taps = torch.randn(2, 560, 512), torch.randn(512), torch.randn(512, 7)
    pairs = torch.randn(2, 512)
    activation.fused(sound, pairs)
    convolution.fused(sound, pairs, taps, numbers, pairs, 9, torch.ones(2, 560))
    noise.fused(index, torch.zeros(300, dtype=torch.int64), torch.zeros(2, 300, dtype=torch.int64))


if __name__ == "__main__":
    stand_in = Driver()
    driver.set_active(stand_in)
    launch_all()
    print(json.dumps(stand_in.loaded))
