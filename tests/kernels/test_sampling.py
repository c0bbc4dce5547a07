"""Drawing tokens: kernel and twin agree to the token, draws follow the softmax, batches do not
matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from voiceserver.kernels import sampling

from .kernel_kit import Draw

Op = Callable[..., Tensor]
OPS = [pytest.param(sampling.naive, id="twin"), pytest.param(sampling.fused, id="kernel")]
AUDIO, LARGE = (3, 2, 4160), (3, 1, 9001)  # LARGE takes three tiles, the last one not full


def _mixed(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Temperatures, seeds and steps of three rows."""
    temperature = draw.these(0.9, 0.0, 1.3, dtype=torch.float32)
    return temperature, draw.these(5, -7, 1 << 40), draw.these(3, 0, 99)


@pytest.mark.parametrize("shape", [AUDIO, LARGE, (3, 4, 63)], ids=str)
@pytest.mark.parametrize("top_k", [0, 1, 5, 50])
def test_kernel_draws_the_tokens_of_the_twin(
    draw: Draw, shape: tuple[int, ...], top_k: int
) -> None:
    temperature, seeds, steps = _mixed(draw)
    logits = draw(*shape) * 3
    ids = sampling.fused(logits, temperature, top_k, seeds, steps, 2)
    assert torch.equal(ids, sampling.naive(logits, temperature, top_k, seeds, steps, 2))


@pytest.mark.parametrize("shape", [AUDIO, LARGE], ids=str)
def test_among_equal_logits_too(draw: Draw, shape: tuple[int, ...]) -> None:
    """Half-precision logits often tie at the k-th place: all of them take part."""
    temperature, seeds, steps = _mixed(draw)
    logits = (draw(*shape) * 2).round().to(torch.float16)
    ids = sampling.fused(logits, temperature, 9, seeds, steps, 0)
    assert torch.equal(ids, sampling.naive(logits, temperature, 9, seeds, steps, 0))
    largest = logits.topk(9).values[..., -1]
    drawn = logits.gather(-1, ids[..., None])[..., 0]
    assert (drawn >= largest).all()


@pytest.mark.parametrize("op", OPS)
def test_slices_of_one_head_matrix(draw: Draw, op: Op) -> None:
    temperature, seeds, steps = _mixed(draw)
    whole = draw(3, 100 + 2 * 60)
    audio = whole[:, 100:].view(3, 2, 60)
    ids = op(audio, temperature, 0, seeds, steps, 0)
    assert torch.equal(ids, op(audio.contiguous(), temperature, 0, seeds, steps, 0))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("size", [63, 9001])
def test_temperature_0_takes_the_first_of_the_largest(draw: Draw, op: Op, size: int) -> None:
    logits = torch.full((2, 1, size), -1.0, device=draw.device)
    logits[0, 0, [size - 1, 50, 40]] = 7.0
    logits[1, 0, 3], logits[1, 0, 1] = 0.0, -0.0
    ids = op(
        logits, draw.these(0, 0, dtype=torch.float32), 0, draw.these(1, 2), draw.these(0, 0), 0
    )
    assert ids.tolist() == [[40], [1]]


@pytest.mark.parametrize("op", OPS)
def test_a_session_draws_alike_alone_and_in_slot_3_of_64(draw: Draw, op: Op) -> None:
    logits = draw(64, 1, 60)
    temperature = torch.full((64,), 0.9, device=draw.device)
    seeds, steps = draw.integers(1000, 64), draw.integers(50, 64)
    together = op(logits, temperature, 0, seeds, steps, 0)
    one = slice(3, 4)
    alone = op(logits[one], temperature[one], 0, seeds[one], steps[one], 0)
    assert alone[0].tolist() == together[3].tolist()


def _drawn(logits: Tensor, count: int, top_k: int, temperature: float = 0.8) -> Tensor:
    """`count` draws of each head from the same logits [H, V]: [count, H]"""
    steps = torch.arange(count)
    seeds = torch.full((count,), 11)
    heat = torch.full((count,), temperature)
    return sampling.naive(logits.expand(count, -1, -1), heat, top_k, seeds, steps, 0)


@pytest.mark.parametrize("top_k", [0, 3])
def test_draws_follow_the_softmax(top_k: int) -> None:
    logits = torch.tensor([[0.3, -1.0, 1.2, 0.0, 0.9, -0.4]])
    expected = (logits[0] / 0.8).softmax(0)
    if top_k:
        expected[logits[0] < 0.3] = 0
        expected /= expected.sum()
    count = 5_000
    counts = torch.bincount(_drawn(logits, count, top_k)[:, 0], minlength=6)
    assert counts[expected == 0].sum() == 0
    share = expected[expected > 0] * count
    chi_square = ((counts[expected > 0] - share) ** 2 / share).sum().item()
    assert chi_square < {0: 20.5, 3: 13.8}[top_k]  # 1 in 1000, with 5 and 2 degrees of freedom


def test_heads_and_steps_draw_independently() -> None:
    logits = torch.zeros(2, 4)
    drawn = _drawn(logits, 4_800, 0, 1.0)
    for first, second in ((drawn[:, 0], drawn[:, 1]), (drawn[1:, 0], drawn[:-1, 0])):
        counts = torch.bincount(first * 4 + second, minlength=16)
        chi_square = ((counts - 300.0) ** 2 / 300).sum().item()
        assert chi_square < 37.7  # 1 in 1000, with 15 degrees of freedom


def test_another_seed_draws_otherwise(draw: Draw) -> None:
    logits, heat = torch.zeros(2, 7, 500), torch.ones(2)
    steps, seeds = torch.zeros(2, dtype=torch.int64), torch.tensor([1, 1 + (1 << 32)])
    ids = sampling.naive(logits, heat, 0, seeds, steps, 0)
    assert (ids[0] != ids[1]).all()


def test_ids_stay_inside_whatever_the_logits(draw: Draw) -> None:
    logits = torch.full((2, 1, 63), torch.nan, device=draw.device)
    logits[1] = -torch.inf
    for top_k in (0, 5):
        heat = draw.these(1, 1, dtype=torch.float32)
        ids = sampling.fused(logits, heat, top_k, draw.these(0, 0), draw.these(0, 0), 0)
        assert ((ids >= 0) & (ids < 63)).all()
