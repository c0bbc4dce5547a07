"""Philox4x32-10 (Salmon et al. 2011), a counter-based generator: a number is a function of a
64-bit key and a 128-bit counter, the same on every device and in every batch.

The last counter word says what the numbers are for, so that no two uses share any.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from torch import Tensor

from voiceserver.kernels.language import jit, tl

FOR_TOKENS: Final = 0
FOR_NOISE: Final = 1

_ROUNDS: Final = 10
_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS: Final = (0x9E3779B9, 0xBB67AE85)
_LOW: Final = 0xFFFFFFFF

Word: TypeAlias = Tensor | int  # in 0 .. 2^32 - 1; a tensor is int64


def words(
    key: Tensor, c0: Word, c1: Word, c2: Word, c3: Word
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four random words. key: int64, of any sign; the key and the counter's words broadcast."""
    k0: Tensor = key & _LOW
    k1: Tensor = (key >> 32) & _LOW
    for _ in range(_ROUNDS):
        # An int64 product wraps, and still holds all 64 bits of the unsigned one.
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c2 = ((second >> 32) & _LOW) ^ c1 ^ k0, ((first >> 32) & _LOW) ^ c3 ^ k1
        c1, c3 = second & _LOW, first & _LOW
        k0, k1 = (k0 + _KEY_STEPS[0]) & _LOW, (k1 + _KEY_STEPS[1]) & _LOW
    return c0, c1, c2, c3  # type: ignore[return-value]  # tensors since the second round


def uniform(word: Tensor) -> Tensor:
    """A word as a float32 strictly between 0 and 1, on a grid of 2^-23."""
    return ((word >> 9).float() + 0.5) * 2.0**-23


@jit
def device_words(
    key: tl.tensor,  # int64
    c0: tl.tensor,
    c1: tl.tensor,
    c2: tl.tensor,
    c3: tl.tensor,
    M0: tl.constexpr = _MULTIPLIERS[0],
    M1: tl.constexpr = _MULTIPLIERS[1],
    STEP_0: tl.constexpr = _KEY_STEPS[0],
    STEP_1: tl.constexpr = _KEY_STEPS[1],
    ROUNDS: tl.constexpr = _ROUNDS,
) -> tl.tensor:
    """Inside kernels: `words`, as four of uint32."""
    k0 = key.to(tl.uint32)
    k1 = (key >> 32).to(tl.uint32)
    c0 = tl.cast(c0, tl.uint32)
    c1 = tl.cast(c1, tl.uint32)
    c2 = tl.cast(c2, tl.uint32)
    c3 = tl.cast(c3, tl.uint32)
    for _ in tl.static_range(ROUNDS):
        high_0, low_0 = tl.umulhi(c0, M0), c0 * M0
        high_1, low_1 = tl.umulhi(c2, M1), c2 * M1
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
        k0 += STEP_0
        k1 += STEP_1
    return c0, c1, c2, c3


@jit
def device_uniform(word: tl.tensor) -> tl.tensor:
    """Inside kernels: `uniform` of a uint32."""
    return ((word >> 9).to(tl.float32) + 0.5) * 1.1920928955078125e-07  # 2^-23
