"""G.711 as ITU-T G.711 defines it: 8-bit logarithmic PCM, mu-law and A-law, as lookup tables.

Not a codec with state: each byte is one sample, so any chunking gives the same result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MU_BIAS = 0x84
_MU_CLIP = 32635
_A_CLIP = 32767


def _ulaw_decoded() -> NDArray[np.int16]:
    """The sample each mu-law byte stands for."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((mantissa << 3) + _MU_BIAS) << exponent) - _MU_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_decoded() -> NDArray[np.int16]:
    """The sample each A-law byte stands for."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 0x07, code & 0x0F
    linear = (mantissa << 4) + 8
    magnitude = np.where(exponent > 0, (linear + 0x100) << np.maximum(exponent - 1, 0), linear)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _ulaw_encoded() -> NDArray[np.uint8]:
    """The mu-law byte of every int16, indexed by its bits as uint16."""
    pcm = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    sign = np.where(pcm < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(pcm), _MU_CLIP) + _MU_BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7  # 0x84 is at least 2**7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    code = ~(sign | (exponent << 4) | mantissa) & 0xFF
    return np.asarray(code, dtype=np.uint8)


def _alaw_encoded() -> NDArray[np.uint8]:
    """The A-law byte of every int16, indexed by its bits as uint16."""
    pcm = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    sign = np.where(pcm >= 0, 0x80, 0)
    magnitude = np.minimum(np.where(pcm >= 0, pcm, -pcm - 1), _A_CLIP)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 7, 0)
    mantissa = (magnitude >> np.where(exponent > 0, exponent + 3, 4)) & 0x0F
    code = (sign | (exponent << 4) | mantissa) ^ 0x55
    return np.asarray(code, dtype=np.uint8)


_ULAW_DECODE, _ALAW_DECODE = _ulaw_decoded(), _alaw_decoded()
_ULAW_ENCODE, _ALAW_ENCODE = _ulaw_encoded(), _alaw_encoded()


def ulaw_to_pcm16(data: bytes) -> NDArray[np.int16]:
    """mu-law bytes to samples."""
    return _ULAW_DECODE[np.frombuffer(data, np.uint8)]


def alaw_to_pcm16(data: bytes) -> NDArray[np.int16]:
    """A-law bytes to samples."""
    return _ALAW_DECODE[np.frombuffer(data, np.uint8)]


def pcm16_to_ulaw(samples: NDArray[np.int16]) -> bytes:
    """Samples to mu-law bytes."""
    return _ULAW_ENCODE[samples.view(np.uint16)].tobytes()


def pcm16_to_alaw(samples: NDArray[np.int16]) -> bytes:
    """Samples to A-law bytes."""
    return _ALAW_ENCODE[samples.view(np.uint16)].tobytes()
