"""How samples are written: G.711 as the Realtime protocol has it, or 16 bits at many rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voiceserver.errors import ClientError


class Coding(Protocol):
    """A way to write samples."""

    @property
    def rate_hz(self) -> int: ...

    def to_samples(self, data: bytes) -> NDArray[np.int16]: ...

    def to_bytes(self, samples: NDArray[np.int16]) -> bytes: ...


@dataclass(frozen=True)
class Linear:
    """16 bits a sample, little-endian (Asterisk calls it `slin`)."""

    rate_hz: int = 8000

    def to_samples(self, data: bytes) -> NDArray[np.int16]:
        if len(data) % 2:
            message = f"{len(data)} bytes are not a whole number of samples."
            raise ClientError(message, code="invalid_event")
        return np.frombuffer(data, "<i2")

    def to_bytes(self, samples: NDArray[np.int16]) -> bytes:
        return samples.astype("<i2", copy=False).tobytes()
