"""Inputs for kernels and how close their outputs must be."""

from __future__ import annotations

import torch
from torch import Tensor


class Draw:
    """Random tensors on the device of the test, the same in every run."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._generator = torch.Generator().manual_seed(1)

    def __call__(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Normal numbers."""
        return torch.randn(*shape, generator=self._generator).to(self.device, dtype)

    def integers(self, end: int, *shape: int) -> Tensor:
        """Integers from 0 to end - 1."""
        return torch.randint(end, shape, generator=self._generator).to(self.device)

    def these(self, *numbers: float, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.tensor(numbers, dtype=dtype, device=self.device)


_TOLERANCE = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def assert_close(actual: Tensor, expected: Tensor) -> None:
    """Of one type, and equal but for rounding to it."""
    # A GPU's exponential and its order of summation are not the CPU's.
    tolerance = _TOLERANCE[expected.dtype] * (5 if expected.is_cuda else 1)
    torch.testing.assert_close(actual, expected, atol=tolerance, rtol=tolerance)
