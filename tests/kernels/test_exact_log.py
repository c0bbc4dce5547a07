"""The logarithm that rounds alike everywhere."""

from __future__ import annotations

import torch

from voiceserver.kernels import exact_log
from voiceserver.kernels.exact_log import device_log
from voiceserver.kernels.language import jit, tl

from .kernel_kit import Draw


def _numbers(draw: Draw) -> torch.Tensor:
    """All magnitudes, and what lies close to one."""
    wide = (draw(1500) * 20).exp2()
    near = 1 + draw(500) * 1e-4
    return torch.cat([wide, near, draw.these(1.0, 2.0**-24, 1 - 2.0**-24, dtype=torch.float32)])


@jit
def _kernel(x_pointer: tl.tensor, out_pointer: tl.tensor, count: tl.tensor) -> None:
    lane = tl.arange(0, 2048)
    x = tl.load(x_pointer + lane, lane < count, 1.0)
    tl.store(out_pointer + lane, device_log(x), lane < count)


def test_log_is_close_to_the_logarithm(draw: Draw) -> None:
    x = _numbers(draw)
    expected = x.double().log()
    torch.testing.assert_close(exact_log.log(x).double(), expected, rtol=3e-7, atol=0)


def test_kernel_gives_the_same_bits(draw: Draw) -> None:
    x = _numbers(draw)
    out = torch.empty_like(x)
    _kernel[(1,)](x, out, len(x), enable_fp_fusion=False)
    assert torch.equal(out, exact_log.log(x))
