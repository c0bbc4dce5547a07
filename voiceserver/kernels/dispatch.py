"""Picks the Triton kernel or the torch twin of an op, per call, by where its tensors are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import ParamSpec, TypeVar

from torch import Tensor

from voiceserver import config

P = ParamSpec("P")
R = TypeVar("R")

_HAS_TRITON = find_spec("triton") is not None
_override: config.Kernels | None = config.kernels_override()


def uses_triton(tensor: Tensor) -> bool:
    """Whether an op on this tensor runs as a Triton kernel."""
    if _override is not None:
        return _override == "triton"
    return tensor.is_cuda and _HAS_TRITON


@contextmanager
def forced(kernels: config.Kernels | None) -> Iterator[None]:
    """All ops run this way while the context lasts, as VOICESERVER_KERNELS has it for a process."""
    global _override
    before, _override = _override, kernels
    try:
        yield
    finally:
        _override = before


def dispatched(naive: Callable[P, R], fused: Callable[P, R]) -> Callable[P, R]:
    """One op of two implementations with one signature; the first argument is a tensor."""

    def op(*args: P.args, **kwargs: P.kwargs) -> R:
        assert isinstance(args[0], Tensor), "the first tensor is given by position"
        return (fused if uses_triton(args[0]) else naive)(*args, **kwargs)

    op.__doc__ = naive.__doc__
    return op
