"""Times of something done again and again, on the device's own clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Spread:
    """Milliseconds of one thing done many times."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Spread:
        p50, p99 = np.quantile(times_ms, (0.5, 0.99))
        return cls(float(p50), float(p99))


def timed(work: Callable[[], object], repeats: int, device: torch.device) -> Spread:
    """`work` on this device, after a warm-up: CUDA events around each call, or the wall clock."""
    for _ in range(max(2, repeats // 10)):
        work()
    if device.type != "cuda":
        return Spread.of([_wall_ms(work) for _ in range(repeats)])
    torch.cuda.synchronize(device)
    events = []
    for _ in range(repeats):
        pair = _event(), _event()
        pair[0].record()
        work()
        pair[1].record()
        events.append(pair)
    torch.cuda.synchronize(device)
    return Spread.of([began.elapsed_time(ended) for began, ended in events])


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _wall_ms(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1e3


def replayed(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """On CUDA, a replay of the graph of `work`, so that launching costs nothing; else `work`."""
    if device.type != "cuda":
        return work
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):  # compile and warm up outside of the graph
        for _ in range(3):
            work()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
