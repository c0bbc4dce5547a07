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
    scaled = query.float() * query.shape[-1] ** -0.5
    mixed = torch.empty_like(query)
    ends = lengths.tolist()
    for row, begin, end in _runs(rows.tolist()):
        length = max(ends[begin:end])
        future = None
        if min(ends[begin:end]) < length:
            future = torch.arange(length) >= lengths[begin:end, None]  # [n, T]
        mixed[begin:end] = _attend(
            scaled[begin:end], keys[row, :length].float(), values[row, :length].float(), future
        )
    return mixed


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring queries of one row, as (row, begin, end)."""
    begin = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end] != rows[begin]:
            yield rows[begin], begin, end
            begin = end


def _attend(query: Tensor, keys: Tensor, values: Tensor, future: Tensor | None) -> Tensor:
    """query: [n, Hq, d], keys, values: [T, Hkv, d], future: [n, T] -> [n, Hq, d]"""
    count, heads, head_dim = query.shape
    length, kv_heads, _ = keys.shape
    # Query heads that share a key head become rows of one product: [Hkv, Hq/Hkv * n, d].
    grouped = query.view(count, kv_heads, -1, head_dim).permute(1, 2, 0, 3)
    grouped = grouped.reshape(kv_heads, -1, head_dim)
    scores = torch.bmm(grouped, keys.permute(1, 2, 0))  # [Hkv, Hq/Hkv * n, T]
    if future is not None:
        scores.view(kv_heads, -1, count, length).masked_fill_(future, -torch.inf)
    mixed = torch.bmm(scores.softmax(dim=-1), values.transpose(0, 1))
    mixed = mixed.view(kv_heads, -1, count, head_dim)
    return mixed.permute(2, 0, 1, 3).reshape(count, heads, head_dim)


def _gathered(query: Tensor, keys: Tensor, values: Tensor, rows: Tensor, lengths: Tensor) -> Tensor:
    """The same without reading `rows` and `lengths` on the host, so that a graph can hold it."""
    seen = torch.arange(keys.shape[1], device=query.device) < lengths[:, None]  # [N, T]
    mixed = F.scaled_dot_product_attention(
        query[:, :, None],  # [N, Hq, 1, d]
        keys[rows].transpose(1, 2).to(query.dtype),  # [N, Hkv, T, d]
        values[rows].transpose(1, 2).to(query.dtype),
        attn_mask=seen[:, None, None],
        enable_gqa=True,
    )
    return mixed[:, :, 0]
