"""What the network reads at one position: the mean of the embeddings of its streams, in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.kernels.language import jit, tl

_BLOCK = 256


def naive(ids: Tensor, table: Tensor) -> Tensor:
    """ids: [N, streams], integer, table: [V, D] of any float type -> [N, D], float32"""
    return F.embedding(ids, table).float().mean(dim=1)


def fused(ids: Tensor, table: Tensor) -> Tensor:
    """As `naive`: one program a row and a block of columns. An id outside counts as zeros."""
    count, streams = ids.shape
    vocabulary, size = table.shape
    assert ids.is_contiguous(), "ids lie apart"
    assert table.is_contiguous(), "rows of the table lie apart"
    out = torch.empty(count, size, dtype=torch.float32, device=table.device)
    grid = (count, -(-size // _BLOCK))
    _embedding_kernel[grid](ids, table, out, vocabulary, STREAMS=streams, SIZE=size, BLOCK=_BLOCK)
    return out


@jit
def _embedding_kernel(
    ids_pointer: tl.tensor,
    table_pointer: tl.tensor,
    out_pointer: tl.tensor,
    vocabulary: tl.tensor,
    STREAMS: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < SIZE
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for stream in tl.static_range(STREAMS):
        token = tl.load(ids_pointer + row * STREAMS + stream).to(tl.int64)
        known = column < tl.where((token >= 0) & (token < vocabulary), SIZE, 0)
        total += tl.load(table_pointer + token * SIZE + column, known, 0.0).to(tl.float32)
    tl.store(out_pointer + row * SIZE + column, total / STREAMS, inside)
