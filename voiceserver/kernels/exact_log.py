"""A natural logarithm of sums, products and divisions alone, each of which rounds as IEEE says.

So it gives the same bits in torch on any device and in a Triton kernel that does not fuse
multiplications with additions; the libraries' own logarithms differ in the last bit, and a token
drawn with them could differ between two devices. Its relative error is below 3e-7.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from voiceserver.kernels.language import jit, tl

_ROOT_HALF_BITS: Final = 0x3F3504F3  # of sqrt(1/2)
_LN_2: Final = 0.6931471805599453


def log(x: Tensor) -> Tensor:
    """x: float32, normal and positive. x = m * 2^e with m about 1, log m = 2 artanh of s."""
    bits = x.view(torch.int32)
    exponent = (bits - _ROOT_HALF_BITS) >> 23
    mantissa = (bits - (exponent << 23)).view(torch.float32)  # sqrt(1/2) .. sqrt(2)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    series = (((z * (1 / 9) + 1 / 7) * z + 1 / 5) * z + 1 / 3) * z  # artanh s = s + s * series
    half = s + s * series
    return exponent.float() * _LN_2 + (half + half)


@jit
def device_log(
    x: tl.tensor, ROOT_HALF_BITS: tl.constexpr = _ROOT_HALF_BITS, LN_2: tl.constexpr = _LN_2
) -> tl.tensor:
    """Inside kernels launched with `enable_fp_fusion=False`: the same bits as `log`."""
    bits = x.to(tl.int32, bitcast=True)
    exponent = (bits - ROOT_HALF_BITS) >> 23
    mantissa = (bits - (exponent << 23)).to(tl.float32, bitcast=True)
    s = tl.div_rn(mantissa - 1.0, mantissa + 1.0)
    z = s * s
    series = (((z * (1 / 9) + 1 / 7) * z + 1 / 5) * z + 1 / 3) * z
    half = s + s * series
    return exponent.to(tl.float32) * LN_2 + (half + half)
