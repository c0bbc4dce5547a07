from __future__ import annotations

import torch

from voiceserver.nn.linear import FloatLinear, Int8Linear, quantise


def layers(out: int = 96, width: int = 64) -> tuple[FloatLinear, Int8Linear]:
    weight = torch.randn(out, width, generator=torch.Generator().manual_seed(0)) * 0.05
    return FloatLinear(weight), Int8Linear(*quantise(weight))


def test_int8_is_close_to_float() -> None:
    exact, rounded = layers()
    x = torch.randn(32, 64, generator=torch.Generator().manual_seed(1))
    error = (rounded(x) - exact(x)).pow(2).mean().sqrt()
    assert error < 0.02 * exact(x).pow(2).mean().sqrt()


def test_a_row_is_the_same_alone_and_among_others() -> None:
    _, rounded = layers()
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(2))
    x[3] *= 1000.0
    assert torch.equal(rounded(x)[1], rounded(x[1:2])[0])


def test_zero_stays_zero() -> None:
    _, rounded = layers()
    assert torch.equal(rounded(torch.zeros(2, 64)), torch.zeros(2, 96))


def test_the_largest_products_do_not_saturate() -> None:
    weight = torch.ones(8, 512)
    rounded = Int8Linear(*quantise(weight))
    assert torch.allclose(rounded(torch.ones(1, 512)), torch.full((1, 8), 512.0), rtol=0.01)
