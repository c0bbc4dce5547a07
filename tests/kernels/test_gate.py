"""SwiGLU: the kernel equals the twin."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from voiceserver.kernels import gate

from .kernel_kit import Draw, assert_close


@pytest.mark.parametrize("size", [96, 1500])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_kernel_equals_twin(draw: Draw, size: int, dtype: torch.dtype) -> None:
    gate_up = draw(3, 2 * size, dtype=dtype) * 4
    assert_close(gate.fused(gate_up), gate.naive(gate_up))


@pytest.mark.filterwarnings("ignore:overflow")  # numpy under the interpreter; a GPU says inf
def test_large_gates_do_not_overflow(draw: Draw) -> None:
    gate_up = draw.these(-100.0, 100.0, 2.0, 3.0, dtype=torch.float32)[None]
    expected = draw.these(0.0, 300.0, dtype=torch.float32)[None]
    for op in (gate.naive, gate.fused):
        assert_close(op(gate_up), expected)


def test_rows_may_lie_apart(draw: Draw) -> None:
    gate_up = draw(3, 100)[:, :60]
    first, second = gate_up[:, :30], gate_up[:, 30:]
    for op in (gate.naive, gate.fused):
        assert_close(op(gate_up), F.silu(first) * second)
