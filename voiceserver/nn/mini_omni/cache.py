"""Keys and values of every row in fixed places, and how many positions of each row are filled."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from voiceserver.nn.mini_omni.errors import CacheFull


class CacheShape(Protocol):
    """What of a network's sizes concerns its cache."""

    @property
    def layers(self) -> int: ...
    @property
    def kv_heads(self) -> int: ...
    @property
    def head_dim(self) -> int: ...
    @property
    def positions(self) -> int: ...


class KvCache:
    """One row a sequence. The lengths are the host's; the network is told positions."""

    def __init__(
        self,
        config: CacheShape,
        rows: int,
        positions: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        assert positions <= config.positions, f"{positions} positions of {config.positions}"
        shape = (config.layers, rows, positions, config.kv_heads, config.head_dim)
        self._keys = _zeros(shape, device, dtype)
        self._values = _zeros(shape, device, dtype)
        # What the kernels take: [R, T, Hkv, d] of each layer.
        self.keys, self.values = self._keys.unbind(0), self._values.unbind(0)
        self.positions = positions
        self.lengths = np.zeros(rows, np.int64)

    def span(self, row: int, count: int) -> range:
        """The next positions of a row, which count once the caller has `append`ed them."""
        begin = int(self.lengths[row])
        if begin + count > self.positions:
            raise CacheFull(
                f"row {row} holds {begin} of {self.positions} positions: no room for {count} more"
            )
        return range(begin, begin + count)

    def append(self, row: int, span: range) -> None:
        assert span.start == self.lengths[row], f"row {row}: {span} after {self.lengths[row]}"
        self.lengths[row] = span.stop

    def rollback(self, row: int, length: int) -> None:
        """Forget everything of a row after its first `length` positions."""
        assert 0 <= length <= self.lengths[row], f"row {row}: {length} of {self.lengths[row]}"
        self.lengths[row] = length

    def copy(self, source: int, target: int, length: int) -> None:
        """Let `target` hold the first `length` positions of `source` and nothing else."""
        assert 0 <= length <= self.lengths[source], f"row {source}: {length}"
        for store in (self._keys, self._values):
            store[:, target, :length] = store[:, source, :length]
        self.lengths[target] = length


def _zeros(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    if device.type == "cpu" and dtype == torch.float32:
        # numpy's zeros take no memory until written: the memory in use follows the dialogues.
        return torch.from_numpy(np.zeros(shape, np.float32))
    return torch.zeros(shape, device=device, dtype=dtype)
