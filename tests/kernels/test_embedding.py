"""The mean of the streams' embeddings: the kernel equals the twin."""

from __future__ import annotations

import pytest
import torch

from voiceserver.kernels import embedding

from .kernel_kit import Draw, assert_close


@pytest.mark.parametrize("size", [64, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_kernel_equals_twin(draw: Draw, size: int, dtype: torch.dtype) -> None:
    ids, table = draw.integers(50, 3, 8), draw(50, size, dtype=dtype)
    mean = embedding.fused(ids, table)
    assert mean.dtype == torch.float32
    assert_close(mean, embedding.naive(ids, table))
    assert_close(embedding.fused(ids.int(), table), mean)


def test_mean_is_computed_in_float32(draw: Draw) -> None:
    table = draw.these(2048.0, 1.0, dtype=torch.float16)[:, None]  # 2049 is no float16
    ids = draw.these(0, 1, 1, 1, 1, 1, 1, 1)[None]
    for op in (embedding.naive, embedding.fused):
        assert op(ids, table).item() == 2055.0 / 8


def test_an_id_outside_reads_no_foreign_memory(draw: Draw) -> None:
    table = draw(51, 20)
    ids = draw.these(50, -1, 3, 3, 3, 3, 3, 3)[None]
    assert_close(embedding.fused(ids, table[:50]), table[3:4] * 6 / 8)
