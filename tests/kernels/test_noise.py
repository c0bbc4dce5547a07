"""Noise: a function of (seed, stage, sample), normal, and the same in the kernel."""

import torch

from voiceserver import kernels
from voiceserver.kernels import noise

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def drawn(seed: int, stage: int, first: int, count: int) -> torch.Tensor:
    samples = torch.arange(first, first + count, device=DEVICE)[None]
    stages = torch.full((count,), stage, device=DEVICE)
    return noise.naive(torch.tensor([seed], device=DEVICE), stages, samples)[0]


def test_pieces_equal_the_whole() -> None:
    whole = drawn(7, 2, 0, 5000)
    pieces = [
        drawn(7, 2, first, size) for first, size in ((0, 1), (1, 16), (17, 2048), (2065, 2935))
    ]
    assert torch.equal(torch.cat(pieces), whole)


def test_it_is_normal() -> None:
    many = drawn(1, 0, 0, 200_000).double()
    assert abs(float(many.mean())) < 0.01
    assert abs(float(many.std()) - 1) < 0.01
    assert abs(float((many**4).mean()) - 3) < 0.1
    assert abs(float((many[1:] * many[:-1]).mean())) < 0.01


def test_seeds_stages_and_far_samples_differ() -> None:
    one = drawn(1, 0, 0, 1000)
    others = [drawn(2, 0, 0, 1000), drawn(1, 1, 0, 1000), drawn(1 << 32, 0, 0, 1000)]
    others += [drawn(1, 0, 1 << 32, 1000), drawn(-1, 0, 0, 1000)]
    for other in others:
        assert abs(float((one * other).mean())) < 0.15
        assert not torch.equal(one, other)


def test_rows_draw_as_if_alone() -> None:
    seeds = torch.tensor([5, -9], device=DEVICE)
    stages = torch.tensor([0, 0, 3], device=DEVICE)
    samples = torch.tensor([[0, 1, 2], [40, 41, 3 << 33]], device=DEVICE)
    both = noise.naive(seeds, stages, samples)
    for row in (0, 1):
        alone = noise.naive(seeds[row : row + 1], stages, samples[row : row + 1])
        assert torch.equal(both[row], alone[0])


def test_the_kernel_equals_its_twin() -> None:
    seeds = torch.tensor([3, -(2**60), 2**40 + 1], device=DEVICE)
    stages = torch.arange(600, device=DEVICE) % 4
    samples = torch.arange(1800, device=DEVICE).view(3, 600) * 1_000_003 - 500
    made = noise.fused(seeds, stages, samples)
    torch.testing.assert_close(made, noise.naive(seeds, stages, samples), rtol=1e-4, atol=1e-5)


def test_samples_before_the_beginning_can_be_drawn() -> None:
    """A stream asks for them while its delays fill; they are masked later."""
    assert bool(drawn(1, 0, -50, 100).isfinite().all())


def test_the_dispatcher_has_it() -> None:
    seeds, stages = torch.tensor([1]), torch.tensor([0])
    samples = torch.tensor([[4]])
    with kernels.forced("torch"):
        assert torch.equal(
            kernels.normal_noise(seeds, stages, samples), drawn(1, 0, 4, 1)[None].cpu()
        )
