"""Residual sum and RMS norm: the kernel equals the twin, the twin equals the definition."""

from __future__ import annotations

import pytest
import torch

from voiceserver.kernels import norm

from .kernel_kit import Draw, assert_close

FLOATS = (torch.float32, torch.float16, torch.bfloat16)


@pytest.mark.parametrize("size", [64, 63, 896])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_kernel_equals_twin(draw: Draw, size: int, dtype: torch.dtype) -> None:
    x, delta = draw(3, size), draw(3, size, dtype=dtype)
    weight = draw(size, dtype=dtype)
    for given in (delta, None):
        total, normed = norm.fused(x, given, weight, 1e-6)
        expected_total, expected = norm.naive(x, given, weight, 1e-6)
        assert torch.equal(total, expected_total)
        assert_close(normed, expected)


def test_what_is_normed_is_the_rounded_sum(draw: Draw) -> None:
    x, delta, weight = draw(3, 60, dtype=torch.float16), draw(3, 60), draw(60)
    for op in (norm.naive, norm.fused):
        total, normed = op(x, delta, weight, 1e-6)
        assert total.dtype == torch.float16
        assert torch.equal(normed, op(total, None, weight, 1e-6)[1])


def test_rows_may_lie_apart(draw: Draw) -> None:
    x, delta, weight = draw(3, 2, 60)[:, 1], draw(3, 99)[:, :60], draw(60)
    for ours, twins in zip(
        norm.fused(x, delta, weight, 1e-6), norm.naive(x, delta, weight, 1e-6), strict=True
    ):
        assert_close(ours, twins)


def test_twin_equals_the_definition(draw: Draw) -> None:
    x, delta, weight = draw(5, 896), draw(5, 896), draw(896)
    total, normed = norm.naive(x, delta, weight, 1e-5)
    exact = (x + delta).double()
    expected = exact / (exact.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight.double()
    assert torch.equal(total, x + delta)
    torch.testing.assert_close(normed.double(), expected, atol=1e-6, rtol=1e-6)


def test_a_row_is_normed_alike_in_any_batch(draw: Draw) -> None:
    x, weight = draw(64, 896), draw(896)
    for op in (norm.naive, norm.fused):
        alone, batched = op(x[3:4], None, weight, 1e-6)[1], op(x[:5], None, weight, 1e-6)[1]
        assert torch.equal(alone[0], batched[3])
