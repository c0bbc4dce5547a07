"""Attention of single queries over the first lengths[n] positions of row rows[n] of the cache.

Query heads are grouped: Hq / Hkv of them share a key head. Several queries may name the same row,
with lengths of their own: a piece of a prompt is read that way, each position seeing those before
it. Scores are divided by the root of d; softmax in float32. Every length is at least 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.kernels.language import jit, power_of_2, tl

_CHUNK = 256  # positions a program reads
_BLOCK = 64  # of them at once


def naive(
    query: Tensor,  # [N, Hq, d]
    keys: Tensor,  # [R, T, Hkv, d]
    values: Tensor,
    rows: Tensor,  # [N], integer
    lengths: Tensor,  # [N], integer
) -> Tensor:
    """Mixed values: [N, Hq, d], dtype of query."""
    if query.is_cuda:
        return _gathered(query, keys, values, rows, lengths)
    ends, mixed = lengths.tolist(), []
    for row, begin, end in _runs(rows.tolist()):
        length, seen = max(ends[begin:end]), None
        if min(ends[begin:end]) < length:
            seen = torch.arange(length) < lengths[begin:end, None]  # [n, T]
        past = slice(0, length)
        mixed.append(_attend(query[begin:end], keys[row, past], values[row, past], seen))
    return torch.cat(mixed)


def _attend(query: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None) -> Tensor:
    """query: [n, Hq, d], keys, values: [T, Hkv, d], seen: [n, T] or None for all -> [n, Hq, d]"""
    count, heads, head_dim = query.shape
    kv_heads = keys.shape[1]
    # All query heads of a key head, of all n, are so many queries: [1, Hkv, n * Hq / Hkv, d].
    grouped = query.view(count, kv_heads, -1, head_dim)
    if count > 1:
        grouped = grouped.transpose(0, 1).reshape(1, kv_heads, -1, head_dim)
    if seen is not None:
        seen = seen.repeat_interleave(heads // kv_heads, dim=0)
    keys, values = keys[None].transpose(1, 2), values[None].transpose(1, 2)  # [1, Hkv, T, d]
    mixed = F.scaled_dot_product_attention(
        grouped, keys.to(query.dtype), values.to(query.dtype), attn_mask=seen
    )
    if count > 1:
        mixed = mixed.view(kv_heads, count, -1, head_dim).transpose(0, 1)
    return mixed.reshape(count, heads, head_dim)


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring queries of one row, as (row, begin, end)."""
    begin = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end] != rows[begin]:
            yield rows[begin], begin, end
            begin = end


def _gathered(query: Tensor, keys: Tensor, values: Tensor, rows: Tensor, lengths: Tensor) -> Tensor:
    """The same without reading `rows` and `lengths` on the host, so that a graph can hold it."""
    kv_heads, head_dim = keys.shape[2:]
    seen = torch.arange(keys.shape[1], device=query.device) < lengths[:, None]  # [N, T]
    mixed = F.scaled_dot_product_attention(
        query.view(len(query), kv_heads, -1, head_dim),  # [N, Hkv, Hq / Hkv, d]
        keys[rows].transpose(1, 2).to(query.dtype),  # [N, Hkv, T, d]
        values[rows].transpose(1, 2).to(query.dtype),
        attn_mask=seen[:, None, None],
    )
    return mixed.reshape(query.shape)


def fused(query: Tensor, keys: Tensor, values: Tensor, rows: Tensor, lengths: Tensor) -> Tensor:
    """As `naive`: one program a query, key head and chunk of positions.

    Chunks are cut at fixed positions, so that a row's result does not depend on the batch.
    """
    query = query.contiguous()
    count, heads, head_dim = query.shape
    capacity, kv_heads = keys.shape[1:3]
    assert keys.stride()[2:] == (head_dim, 1), "heads of a position must lie together"
    assert keys.stride() == values.stride(), "keys and values lie differently"
    chunks = -(-capacity // _CHUNK)
    group = heads // kv_heads
    mixed = torch.empty_like(query)
    parts, sums = mixed, mixed
    if chunks > 1:
        shape = (count, heads, chunks)
        parts = torch.empty(*shape, head_dim, dtype=torch.float32, device=query.device)
        sums = torch.empty(*shape, 2, dtype=torch.float32, device=query.device)
    _chunk_kernel[(count, kv_heads, chunks)](
        query,
        keys,
        values,
        rows,
        lengths,
        mixed,
        parts,
        sums,
        keys.stride(0),
        keys.stride(1),
        capacity,
        HEADS=heads,
        GROUP=group,
        SIZE=head_dim,
        CHUNKS=chunks,
        CHUNK=_CHUNK,
        BLOCK_GROUP=max(16, power_of_2(group)),
        BLOCK_SIZE=max(16, power_of_2(head_dim)),
        BLOCK=_BLOCK,
        num_warps=4,
    )
    if chunks > 1:
        _combine_kernel[(count, heads)](
            parts,
            sums,
            lengths,
            mixed,
            capacity,
            HEADS=heads,
            SIZE=head_dim,
            CHUNKS=chunks,
            CHUNK=_CHUNK,
            BLOCK_CHUNKS=power_of_2(chunks),
            BLOCK_SIZE=power_of_2(head_dim),
            num_warps=2,
        )
    return mixed


@jit
def _chunk_kernel(
    query_pointer: tl.tensor,
    keys_pointer: tl.tensor,
    values_pointer: tl.tensor,
    rows_pointer: tl.tensor,
    lengths_pointer: tl.tensor,
    mixed_pointer: tl.tensor,  # [N, Hq, d], written if there is one chunk
    parts_pointer: tl.tensor,  # [N, Hq, chunks, d], written if there are several
    sums_pointer: tl.tensor,  # [N, Hq, chunks, 2]: the peak and the sum of exponentials
    row_stride: tl.tensor,
    position_stride: tl.tensor,
    capacity: tl.tensor,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    SIZE: tl.constexpr,
    CHUNKS: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_GROUP: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    index = tl.program_id(0).to(tl.int64)
    kv_head = tl.program_id(1)
    chunk = tl.program_id(2)
    length = tl.minimum(tl.load(lengths_pointer + index).to(tl.int32), capacity)
    begin = chunk * CHUNK
    end = tl.minimum(begin + CHUNK, length)
    if begin < end:
        row = tl.load(rows_pointer + index).to(tl.int64)
        member = tl.arange(0, BLOCK_GROUP)
        lane = tl.arange(0, BLOCK_SIZE)
        head = index * HEADS + kv_head * GROUP + member  # [G]
        real = (member < GROUP)[:, None] & (lane < SIZE)[None, :]
        query = tl.load(query_pointer + head[:, None] * SIZE + lane[None, :], real, 0.0)
        query = query.to(keys_pointer.dtype.element_ty)
        peak = tl.full([BLOCK_GROUP], -float("inf"), tl.float32)
        total = tl.zeros([BLOCK_GROUP], tl.float32)
        mixed = tl.zeros([BLOCK_GROUP, BLOCK_SIZE], tl.float32)
        base = row * row_stride + kv_head * SIZE
        for start in range(begin, end, BLOCK):
            position = start + tl.arange(0, BLOCK)
            seen = (position < end)[:, None] & (lane < SIZE)[None, :]
            offset = base + position.to(tl.int64)[:, None] * position_stride + lane[None, :]
            key = tl.load(keys_pointer + offset, seen, 0.0)
            scores = tl.dot(query, tl.trans(key), input_precision="ieee")  # [G, BLOCK]
            scores = tl.where((position < end)[None, :], scores * (SIZE**-0.5), -float("inf"))
            higher = tl.maximum(peak, tl.max(scores, 1))
            weight = tl.exp(scores - higher[:, None])
            fade = tl.exp(peak - higher)
            value = tl.load(values_pointer + offset, seen, 0.0)
            mixed = mixed * fade[:, None]
            mixed += tl.dot(weight.to(value.dtype), value, input_precision="ieee")
            total = total * fade + tl.sum(weight, 1)
            peak = higher
        if CHUNKS == 1:
            target = mixed_pointer + head[:, None] * SIZE + lane[None, :]
            tl.store(target, (mixed / total[:, None]).to(mixed_pointer.dtype.element_ty), real)
        else:
            part = head * CHUNKS + chunk
            tl.store(parts_pointer + part[:, None] * SIZE + lane[None, :], mixed, real)
            tl.store(sums_pointer + part * 2, peak, member < GROUP)
            tl.store(sums_pointer + part * 2 + 1, total, member < GROUP)


@jit
def _combine_kernel(
    parts_pointer: tl.tensor,
    sums_pointer: tl.tensor,
    lengths_pointer: tl.tensor,
    mixed_pointer: tl.tensor,
    capacity: tl.tensor,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    CHUNKS: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_CHUNKS: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
) -> None:
    index = tl.program_id(0).to(tl.int64)
    head = index * HEADS + tl.program_id(1)
    length = tl.minimum(tl.load(lengths_pointer + index).to(tl.int32), capacity)
    chunk = tl.arange(0, BLOCK_CHUNKS)
    written = chunk < tl.cdiv(length, CHUNK)
    lane = tl.arange(0, BLOCK_SIZE)
    part = head * CHUNKS + chunk
    peak = tl.load(sums_pointer + part * 2, written, -float("inf"))
    total = tl.load(sums_pointer + part * 2 + 1, written, 0.0)
    weight = tl.exp(peak - tl.max(peak))
    real = written[:, None] & (lane < SIZE)[None, :]
    mixed = tl.load(parts_pointer + part[:, None] * SIZE + lane[None, :], real, 0.0)
    mixed = tl.sum(mixed * weight[:, None], 0) / tl.sum(weight * total)
    target = mixed_pointer + head * SIZE + lane
    tl.store(target, mixed.to(mixed_pointer.dtype.element_ty), lane < SIZE)
