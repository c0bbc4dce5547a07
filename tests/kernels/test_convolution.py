"""Snake + masked depthwise convolution + Snake: against torch's own layers, and kernel = twin."""

from typing import NamedTuple

import pytest
import torch
from torch.nn import functional as F

from voiceserver.kernels import activation, convolution

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Inputs(NamedTuple):
    x: torch.Tensor
    before: torch.Tensor
    taps: torch.Tensor
    bias: torch.Tensor
    after: torch.Tensor
    dilation: int
    mask: torch.Tensor | None


def inputs(batch: int, steps: int, channels: int, dilation: int, masked: bool = True) -> Inputs:
    generator = torch.Generator().manual_seed(channels)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(DEVICE)

    def snake() -> torch.Tensor:
        alpha = numbers(channels).abs() + 0.1
        return torch.stack([alpha, alpha.reciprocal()])

    length = steps + 6 * dilation
    mask = (numbers(batch, length) > 0).float() if masked else None
    return Inputs(
        x=numbers(batch, length, channels),
        before=snake(),
        taps=numbers(channels, 7),
        bias=numbers(channels),
        after=snake(),
        dilation=dilation,
        mask=mask,
    )


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_twin_is_the_published_layers(masked: bool, dtype: torch.dtype) -> None:
    given = inputs(2, 11, 6, 3, masked)
    given = Inputs(*(v.to(dtype) if isinstance(v, torch.Tensor) else v for v in given))
    y = activation.naive(given.x, given.before).transpose(1, 2)  # [B, C, T]
    y = y if given.mask is None else y * given.mask[:, None]
    y = F.conv1d(y, given.taps[:, None], given.bias, dilation=3, groups=6)
    expected = activation.naive(y.transpose(1, 2), given.after)
    torch.testing.assert_close(convolution.naive(*given), expected)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("batch", "steps", "channels", "dilation"),
    [(1, 1, 1, 1), (3, 32, 64, 1), (2, 63, 5, 3), (1, 40, 70, 9), (2, 17, 128, 9)],
)
def test_the_kernel_equals_its_twin(
    batch: int, steps: int, channels: int, dilation: int, masked: bool
) -> None:
    given = inputs(batch, steps, channels, dilation, masked)
    made, expected = convolution.fused(*given), convolution.naive(*given)
    assert made.shape == (batch, steps, channels)
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)


def test_the_mask_may_be_a_part_of_all_masks() -> None:
    """As the stream hands it out: rows of several layers side by side."""
    given = inputs(2, 12, 8, 1)
    assert given.mask is not None
    everything = torch.cat([given.mask, 1 - given.mask], 1)
    part = given._replace(mask=everything[:, : given.mask.shape[1]])
    torch.testing.assert_close(convolution.fused(*part), convolution.naive(*given))


def test_masked_samples_do_not_matter() -> None:
    given = inputs(1, 20, 4, 3)
    assert given.mask is not None
    other = given._replace(x=torch.where(given.mask[..., None] == 0, 100.0, given.x))
    for op in (convolution.naive, convolution.fused):
        torch.testing.assert_close(op(*other), op(*given))
