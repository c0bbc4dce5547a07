"""Bias, rotary embedding and cache append: the kernel equals the twin, the twin the definition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from voiceserver.kernels import rope

from .kernel_kit import Draw, assert_close

ROWS, CAPACITY = 5, 63


def _angles(draw: Draw, head_dim: int) -> tuple[Tensor, Tensor]:
    angles = draw(CAPACITY, head_dim // 2)
    return angles.cos(), angles.sin()


@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(14, 2, 64), (4, 4, 12), (3, 1, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_kernel_equals_twin(
    draw: Draw, heads: int, kv_heads: int, head_dim: int, dtype: torch.dtype
) -> None:
    width = (heads + 2 * kv_heads) * head_dim
    qkv, bias = draw(3, width, dtype=dtype), draw(width, dtype=dtype)
    cache = draw(2, ROWS, CAPACITY, kv_heads, head_dim, dtype=dtype)
    rows, positions = draw.these(4, 0, 0), draw.these(62, 0, 5)
    cos, sin = _angles(draw, head_dim)
    ours, twins = cache.clone(), cache.clone()
    query = rope.fused(qkv, bias, cos, sin, ours[0], ours[1], rows, positions)
    expected = rope.naive(qkv, bias, cos, sin, twins[0], twins[1], rows, positions)
    assert_close(query, expected)
    assert_close(ours, twins)
    changed = (ours != cache).any(-1).any(-1)[0]  # [R, T]
    assert changed.nonzero().tolist() == [[0, 0], [0, 5], [4, 62]]


def test_twin_equals_complex_rotation(draw: Draw) -> None:
    qkv, bias = draw(2, 4 * 16), draw(4 * 16)
    keys, values = torch.zeros(2, ROWS, CAPACITY, 1, 16, device=draw.device)
    rows, positions = draw.these(1, 2), draw.these(7, 9)
    cos, sin = _angles(draw, 16)
    query = rope.naive(qkv, bias, cos, sin, keys, values, rows, positions)
    heads = (qkv + bias).view(2, 4, 16)
    turned = torch.complex(heads[..., :8], heads[..., 8:])
    turned = turned * torch.complex(cos, sin)[positions][:, None]
    turned = torch.cat([turned.real, turned.imag], -1)
    assert_close(query, turned[:, :2])
    assert_close(keys[rows, positions], turned[:, 2:3])
    assert_close(values[rows, positions], heads[:, 3:])


def test_a_position_past_the_end_writes_nothing(draw: Draw) -> None:
    keys, values = draw(2, ROWS, CAPACITY, 1, 16)
    before = keys.clone(), values.clone()
    cos, sin = _angles(draw, 16)
    rows, positions = draw.these(1, 2), draw.these(CAPACITY, -1)
    rope.fused(draw(2, 64), draw(64), cos, sin, keys, values, rows, positions)
    assert torch.equal(keys, before[0])
    assert torch.equal(values, before[1])


def test_a_layer_of_a_larger_cache_is_written_in_place(draw: Draw) -> None:
    cache = torch.zeros(
        2, 3, ROWS, CAPACITY, 1, 16, device=draw.device
    )  # [K or V, layer, R, T ...]
    cos, sin = _angles(draw, 16)
    rows, positions = draw.these(1), draw.these(2)
    rope.fused(draw(1, 64), draw(64), cos, sin, cache[0, 1], cache[1, 1], rows, positions)
    assert cache.flatten(3).any(-1).nonzero().tolist() == [[0, 1, 1], [1, 1, 1]]
