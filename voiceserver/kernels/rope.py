"""Bias, rotary embedding and cache append of one attention layer, for one position of each row.

`qkv` holds per position the query heads, then the key heads, then the value heads, each of d
numbers. Queries and keys are turned by the angles of their position, the halves of a head being
the pairs (NeoX layout). Keys and values are written to cache[rows[n], positions[n]]; no two n may
name the same place.
"""

from __future__ import annotations

import torch
from torch import Tensor

from voiceserver.kernels.language import jit, power_of_2, tl


def naive(
    qkv: Tensor,  # [N, (Hq + 2 Hkv) * d]
    bias: Tensor,  # [(Hq + 2 Hkv) * d]
    cos: Tensor,  # [T, d / 2], float32
    sin: Tensor,
    keys: Tensor,  # [R, T, Hkv, d], written in place
    values: Tensor,
    rows: Tensor,  # [N], integer
    positions: Tensor,  # [N], integer
) -> Tensor:
    """Queries, turned: [N, Hq, d], dtype of qkv."""
    kv_heads, head_dim = keys.shape[2:]
    heads = (qkv.float() + bias).view(len(qkv), -1, head_dim)  # [N, Hq + 2 Hkv, d]
    turned, value = heads[:, :-kv_heads], heads[:, -kv_heads:]
    first, second = turned.chunk(2, dim=-1)  # two of [N, Hq + Hkv, d / 2]
    c, s = cos.index_select(0, positions)[:, None], sin.index_select(0, positions)[:, None]
    halves = (first * c).addcmul_(second, s, value=-1), (second * c).addcmul_(first, s)
    turned = torch.cat(halves, dim=-1)  # [N, Hq + Hkv, d]
    keys[rows, positions] = turned[:, -kv_heads:].to(keys.dtype)
    values[rows, positions] = value.to(values.dtype)
    return turned[:, :-kv_heads].to(qkv.dtype)


def fused(
    qkv: Tensor,
    bias: Tensor,
    cos: Tensor,
    sin: Tensor,
    keys: Tensor,
    values: Tensor,
    rows: Tensor,
    positions: Tensor,
) -> Tensor:
    """As `naive`: one program a head. A position past the cache's end is not written."""
    count, width = qkv.shape
    capacity, kv_heads, head_dim = keys.shape[1:]
    heads = width // head_dim - 2 * kv_heads
    assert qkv.stride(1) == 1, "numbers of a row must lie together"
    assert keys.stride()[2:] == (head_dim, 1), "heads of a position must lie together"
    assert keys.stride() == values.stride(), "keys and values lie differently"
    assert cos.is_contiguous(), "angles lie apart"
    query = torch.empty(count, heads, head_dim, dtype=qkv.dtype, device=qkv.device)
    _rope_kernel[(count, heads + 2 * kv_heads)](
        qkv,
        bias,
        cos,
        sin,
        keys,
        values,
        rows,
        positions,
        query,
        qkv.stride(0),
        keys.stride(0),
        keys.stride(1),
        capacity,
        HEADS=heads,
        KV_HEADS=kv_heads,
        HALF=head_dim // 2,
        BLOCK=power_of_2(head_dim // 2),
        num_warps=1,
    )
    return query


@jit
def _rope_kernel(
    qkv_pointer: tl.tensor,
    bias_pointer: tl.tensor,
    cos_pointer: tl.tensor,
    sin_pointer: tl.tensor,
    keys_pointer: tl.tensor,
    values_pointer: tl.tensor,
    rows_pointer: tl.tensor,
    positions_pointer: tl.tensor,
    query_pointer: tl.tensor,
    qkv_stride: tl.tensor,
    row_stride: tl.tensor,
    position_stride: tl.tensor,
    capacity: tl.tensor,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    index = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    lane = tl.arange(0, BLOCK)
    inside = lane < HALF
    source = qkv_pointer + index * qkv_stride + head * 2 * HALF + lane
    bias = bias_pointer + head * 2 * HALF + lane
    first = tl.load(source, inside, 0.0).to(tl.float32)
    first += tl.load(bias, inside, 0.0).to(tl.float32)
    second = tl.load(source + HALF, inside, 0.0).to(tl.float32)
    second += tl.load(bias + HALF, inside, 0.0).to(tl.float32)
    position = tl.load(positions_pointer + index).to(tl.int64)
    fits = lane < tl.where((position >= 0) & (position < capacity), HALF, 0)
    if head < HEADS + KV_HEADS:
        cos = tl.load(cos_pointer + position * HALF + lane, fits, 1.0)
        sin = tl.load(sin_pointer + position * HALF + lane, fits, 0.0)
        turned = first * cos - second * sin
        second = second * cos + first * sin
        first = turned
    row = tl.load(rows_pointer + index).to(tl.int64)
    place = row * row_stride + position * position_stride + lane
    if head < HEADS:
        query_target = query_pointer + (index * HEADS + head) * 2 * HALF + lane
        tl.store(query_target, first.to(query_pointer.dtype.element_ty), inside)
        tl.store(query_target + HALF, second.to(query_pointer.dtype.element_ty), inside)
    elif head < HEADS + KV_HEADS:
        key_target = keys_pointer + place + (head - HEADS) * 2 * HALF
        tl.store(key_target, first.to(keys_pointer.dtype.element_ty), fits)
        tl.store(key_target + HALF, second.to(keys_pointer.dtype.element_ty), fits)
    else:
        value_target = values_pointer + place + (head - HEADS - KV_HEADS) * 2 * HALF
        tl.store(value_target, first.to(values_pointer.dtype.element_ty), fits)
        tl.store(value_target + HALF, second.to(values_pointer.dtype.element_ty), fits)
