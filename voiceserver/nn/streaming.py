"""Left contexts of streaming layers, passed from step to step as plain tensors.

Every streaming network here is causal by construction: a layer that looks to both sides is
computed late instead, by as many steps as it looks ahead. Run on a whole signal from zero contexts
it gives what it gives piece by piece, so "whole" needs no second definition.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Shape = tuple[int, ...]


class Tape:
    """The contexts of one step: taken in the order the layers run, and renewed as they are."""

    def __init__(self, contexts: Sequence[Tensor]) -> None:
        self._contexts = contexts
        self.renewed: list[Tensor] = []  # the contexts of the next step

    def extend(self, x: Tensor, dim: int) -> Tensor:
        """`x` with what came before it in front, along the time dimension `dim`."""
        context = self._contexts[len(self.renewed)]
        joined = torch.cat([context, x], dim)
        length = context.shape[dim]
        self.renewed.append(joined.narrow(dim, joined.shape[dim] - length, length))
        return joined


def zero_contexts(
    shapes: Sequence[Shape], slots: int, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Contexts at the start of a signal: [slots, *shape] of silence each."""
    return [torch.zeros(slots, *shape, dtype=dtype) for shape in shapes]


class SlotContexts:
    """The contexts of all slots; any subset of them can take one step together."""

    def __init__(self, shapes: Sequence[Shape], slots: int) -> None:
        self._all = zero_contexts(shapes, slots)

    def clear(self, slot: int) -> None:
        for context in self._all:
            context[slot] = 0

    def read(self, slots: Tensor) -> list[Tensor]:
        """slots: [B] -> contexts of these slots, each [B, ...]."""
        return [context.index_select(0, slots) for context in self._all]

    def write(self, slots: Tensor, renewed: Sequence[Tensor]) -> None:
        assert len(renewed) == len(self._all), (len(renewed), len(self._all))
        for context, new in zip(self._all, renewed, strict=True):
            context.index_copy_(0, slots, new)
