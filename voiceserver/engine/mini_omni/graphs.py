"""Runs the step program: row by row as it comes, or replayed from CUDA graphs of fixed sizes.

A graph exists for each pair of numbers of speaking and writing rows, both rounded up to a bucket;
what is left over in a bucket runs on a row and for a voice that are nobody's. All graphs share one
pool of memory, one plan and one output, as only one runs at a time. Captures can be replaced by
plain calls, so that the way through buckets and padding is testable without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.engine.mini_omni.program import PLAN_FIELDS, PLAN_POSITIONS, StepProgram
from voiceserver.nn.mini_omni.vocabulary import PAD_T, STREAMS

WARM_UP_RUNS = 2  # kernels are compiled and workspaces made before a capture

Replay = Callable[[], None]
Capture = Callable[[Callable[[], None]], Replay]


class Runner(Protocol):
    def run(self, plan: NDArray[np.int64], speaking: int, own_text: bool) -> NDArray[np.int64]:
        """One step of the program: plan [6, N] -> columns [N, 8]"""


def to_host(columns: Tensor) -> NDArray[np.int64]:
    """The only copy from the device in a step."""
    host: NDArray[np.int64] = columns.cpu().numpy()
    return host


class EagerRunner:
    """Exactly the rows of the plan."""

    def __init__(self, program: StepProgram) -> None:
        self._program = program

    def run(self, plan: NDArray[np.int64], speaking: int, own_text: bool) -> NDArray[np.int64]:
        on_device = torch.from_numpy(plan).to(self._program.network.device)
        return to_host(self._program.advance(on_device, speaking, own_text))


class GraphRunner:
    """One replay a step, in the smallest bucket that holds the plan."""

    def __init__(
        self, program: StepProgram, speaking: int, writing: int, capture: Capture | None = None
    ) -> None:
        self._program = program
        device = program.network.device
        self._capture = CudaCapture(device) if capture is None else capture
        self._speaking, self._writing = buckets(speaking), buckets(writing)
        most = self._speaking[-1] + self._writing[-1]
        pinned = device.type == "cuda"
        self._host_plan = torch.zeros(PLAN_FIELDS * most, dtype=torch.int64, pin_memory=pinned)
        self._plan = torch.zeros(PLAN_FIELDS * most, dtype=torch.int64, device=device)
        self._columns = torch.zeros(most, STREAMS, dtype=torch.int64, device=device)
        self._replays: dict[tuple[int, int, bool], Replay] = {}

    def capture_all(self) -> None:
        """Capture every bucket, the largest first, so that the smaller fit into its memory.

        Voices that speak and write in one row are rare; their buckets are captured when needed.
        """
        sizes = sorted(product(self._speaking, self._writing), key=sum, reverse=True)
        for speaking, writing in sizes:
            if speaking + writing:
                self._replay(speaking, writing, own_text=False)

    def run(self, plan: NDArray[np.int64], speaking: int, own_text: bool) -> NDArray[np.int64]:
        count = plan.shape[1]
        bucket = fitting(self._speaking, speaking)
        writing = fitting(self._writing, count - speaking)
        replay = self._replay(bucket, writing, own_text)
        written = slice(bucket, bucket + count - speaking)  # where the rows that write stand
        padded = self._padded(bucket + writing)
        padded[:, :speaking], padded[:, written] = plan[:, :speaking], plan[:, speaking:]
        size = padded.size
        self._plan[:size].copy_(self._host_plan[:size], non_blocking=True)
        replay()
        columns = to_host(self._columns[: bucket + writing])
        return np.concatenate([columns[:speaking], columns[written]])

    def _padded(self, count: int) -> NDArray[np.int64]:
        """A plan of this many rows that are nobody's, where it can be copied from: [6, count]"""
        plan: NDArray[np.int64] = self._host_plan[: PLAN_FIELDS * count].numpy()
        plan = plan.reshape(PLAN_FIELDS, count)
        nobody_row = len(self._program.cache.lengths) - 1
        nobody = self._program.nobody
        # No two rows may write the same place of the cache: each has a position of its own.
        plan[:] = np.array([nobody_row, 0, nobody, nobody, PAD_T, 0])[:, None]
        plan[PLAN_POSITIONS] = np.arange(count) % self._program.cache.positions
        return plan

    def _replay(self, speaking: int, writing: int, own_text: bool) -> Replay:
        key = speaking, writing, own_text
        if key not in self._replays:
            count = speaking + writing
            self._padded(count)  # a capture's warm-up runs for nobody
            self._plan.copy_(self._host_plan)
            plan = self._plan[: PLAN_FIELDS * count].view(PLAN_FIELDS, count)

            def step() -> None:
                columns = self._program.advance(plan, speaking, own_text)
                self._columns[:count].copy_(columns)

            self._replays[key] = self._capture(step)
        return self._replays[key]


class CudaCapture:
    """Captures a function without arguments; all captures share a pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    @torch.inference_mode()
    def __call__(self, function: Callable[[], None]) -> Replay:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UP_RUNS):
                function()
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads (the codec's) may work on the device while this one captures.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            function()
        replay: Replay = graph.replay
        return replay


def without_capture(function: Callable[[], None]) -> Replay:
    """In the place of `CudaCapture` on a CPU: a replay is a call."""
    for _ in range(WARM_UP_RUNS):
        function()
    return function


def buckets(most: int) -> list[int]:
    """None, one, two, four and so on rows, up to `most` or the next power of two."""
    sizes = [0, 1]
    while sizes[-1] < most:
        sizes.append(2 * sizes[-1])
    return sizes


def fitting(sizes: list[int], count: int) -> int:
    return next(size for size in sizes if size >= count)
