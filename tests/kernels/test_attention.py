"""Attention over the cache: the kernel equals the twin, the twin torch's own attention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.kernels import attention

from .kernel_kit import Draw, assert_close

# The interpreter multiplies no bfloat16 matrices.
DTYPES = [torch.float32, torch.float16, pytest.param(torch.bfloat16, marks=pytest.mark.gpu)]
CHUNK = 256


def _cache(draw: Draw, capacity: int, kv_heads: int, head_dim: int, dtype: torch.dtype) -> Tensor:
    return draw(2, 3, capacity, kv_heads, head_dim, dtype=dtype)


@pytest.mark.parametrize(
    ("capacity", "lengths"),
    [(63, (63, 1, 40)), (256, (256, 65, 64)), (300, (300, CHUNK, CHUNK + 1))],
    ids=["short", "one whole chunk", "two chunks"],
)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernel_equals_twin(
    draw: Draw, capacity: int, lengths: tuple[int, ...], dtype: torch.dtype
) -> None:
    keys, values = _cache(draw, capacity, 2, 64, dtype)
    query, rows = draw(3, 14, 64, dtype=dtype), draw.these(2, 0, 0)
    for row, length in zip((2, 0), (lengths[0], max(lengths[1:])), strict=True):
        keys[row, length:] = values[row, length:] = torch.nan  # whoever reads it shows
    mixed = attention.fused(query, keys, values, rows, draw.these(*lengths))
    keys, values = keys.nan_to_num(), values.nan_to_num()
    assert_close(mixed, attention.naive(query, keys, values, rows, draw.these(*lengths)))


@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(3, 1, 12), (4, 4, 16), (40, 2, 8)])
def test_any_grouping_of_heads(draw: Draw, heads: int, kv_heads: int, head_dim: int) -> None:
    keys, values = _cache(draw, 30, kv_heads, head_dim, torch.float32)
    query, rows, lengths = draw(2, heads, head_dim), draw.these(1, 2), draw.these(30, 7)
    mixed = attention.fused(query, keys, values, rows, lengths)
    assert_close(mixed, attention.naive(query, keys, values, rows, lengths))


def test_twin_equals_torch(draw: Draw) -> None:
    keys, values = _cache(draw, 40, 2, 16, torch.float32)
    query = draw(3, 6, 16)
    rows, lengths = draw.these(1, 1, 0), draw.these(7, 8, 40)
    mixed = attention.naive(query, keys, values, rows, lengths)
    for index in range(3):
        row, length = int(rows[index]), int(lengths[index])
        expected = F.scaled_dot_product_attention(
            query[None, index, :, None],
            keys[None, row, :length].transpose(1, 2),
            values[None, row, :length].transpose(1, 2),
            enable_gqa=True,
        )
        assert_close(mixed[index], expected[0, :, 0])


def test_twin_for_graphs_equals_the_other(draw: Draw) -> None:
    keys, values = _cache(draw, 40, 2, 16, torch.float32)
    query, rows, lengths = draw(3, 6, 16), draw.these(1, 1, 0), draw.these(7, 8, 40)
    mixed = attention._gathered(query, keys, values, rows, lengths)
    assert_close(mixed, attention.naive(query, keys, values, rows, lengths))


def test_queries_may_be_a_slice(draw: Draw) -> None:
    """As the twin of rope_append returns them."""
    keys, values = _cache(draw, 40, 2, 16, torch.float32)
    query, rows, lengths = draw(3, 10, 16)[:, :6], draw.these(1, 1, 0), draw.these(7, 8, 40)
    for op in (attention.naive, attention._gathered, attention.fused):
        mixed = op(query, keys, values, rows, lengths)
        assert_close(mixed, attention.naive(query.contiguous(), keys, values, rows, lengths))


def test_a_query_is_answered_alike_in_any_batch(draw: Draw) -> None:
    keys, values = _cache(draw, 300, 2, 16, torch.float32)
    query, rows = draw(5, 4, 16), draw.these(1, 0, 2, 0, 1)
    lengths = draw.these(300, 40, 290, 13, 7)
    for op in (attention.naive, attention.fused):
        batched = op(query, keys, values, rows, lengths)
        alone = op(query[2:3], keys, values, rows[2:3], lengths[2:3])
        assert torch.equal(alone[0], batched[2])
