"""Snake: the published formula, and the kernel equal to its twin."""

import pytest
import torch

from voiceserver.kernels import activation

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape))).to(DEVICE)


def alpha_of(channels: int) -> torch.Tensor:
    alpha = numbers(channels).abs() + 0.1
    return torch.stack([alpha, alpha.reciprocal()])


def test_it_is_the_published_formula() -> None:
    x, alpha = numbers(2, 5, 3), alpha_of(3)
    expected = x + torch.sin(alpha[0] * x).pow(2) / alpha[0]
    torch.testing.assert_close(activation.naive(x, alpha), expected)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 5), (2, 33, 64), (1, 3, 4096)])
def test_the_kernel_equals_its_twin(shape: tuple[int, ...]) -> None:
    x, alpha = numbers(*shape), alpha_of(shape[-1])
    torch.testing.assert_close(activation.fused(x, alpha), activation.naive(x, alpha))


def test_the_input_may_be_a_part_of_something() -> None:
    x, alpha = numbers(2, 9, 6)[:, 2:7], alpha_of(6)
    torch.testing.assert_close(activation.fused(x, alpha), activation.naive(x, alpha))
