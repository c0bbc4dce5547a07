"""Runs the codec for the slots of a server: op by op as it comes, or replayed from CUDA graphs.

Both keep the stream of every slot and give the same samples. On a CPU, too, a batch is worth its
while: four streams take a quarter less time than one after the other, because the few rows of the
first level's large product cost hardly more when there are four times as many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.engine.family import Samples
from voiceserver.engine.mini_omni.graphs import Capture, CudaCapture, Replay, buckets, fitting
from voiceserver.nn.snac import Snac, SnacState, StreamingDecoder
from voiceserver.nn.snac.streaming import split_codes

Codes = NDArray[np.int64]  # [frames, frame_codes], in the order of the codebooks


class CodecRunner(Protocol):
    def reset(self, slot: int, seed: int) -> None:
        """A new utterance."""
        ...

    def finish(self, slot: int, frames: int) -> None:
        """The utterance has so many frames; codes of later steps are not looked at."""
        ...

    def step(self, codes: Mapping[int, Codes]) -> dict[int, Samples]:
        """The next frames of each slot's stream -> as many samples, `delay_samples` older."""
        ...

    def window(
        self, codes: Mapping[int, Codes], first_frames: Mapping[int, int]
    ) -> dict[int, Samples]:
        """Frames decoded by themselves, silence on both sides; the streams are not touched."""
        ...


class EagerCodec:
    """Slots with as many frames as each other in one batch, op by op."""

    def __init__(self, snac: Snac, slots: int) -> None:
        self._snac, self._decoder = snac, StreamingDecoder(snac)
        self._state = SnacState(snac, slots)
        self._rows = [self._state.rows(slot) for slot in range(slots)]
        # What the state knows, too, but on the device.
        self._taken, self._ends = [0] * slots, list[int | None]([None] * slots)

    def reset(self, slot: int, seed: int) -> None:
        self._state.reset(slot, seed)
        self._taken[slot], self._ends[slot] = 0, None

    def finish(self, slot: int, frames: int) -> None:
        self._ends[slot] = frames * self._snac.config.frame_latents
        self._state.finish(slot, frames * self._snac.config.frame_latents)

    def step(self, codes: Mapping[int, Codes]) -> dict[int, Samples]:
        return {slot: s for same in _of_one_size(codes) for slot, s in self._step(same).items()}

    def _step(self, codes: Mapping[int, Codes]) -> dict[int, Samples]:
        slots, stacked = list(codes), self._stacked(codes)
        inside = all(self._decoder.inside(self._taken[i], self._ends[i]) for i in slots)
        if len(slots) == 1:  # in place, nothing is gathered
            samples = self._decoder.step(stacked, self._rows[slots[0]], inside=inside)
        else:
            index = torch.tensor(slots, device=self._snac.device)
            samples = self._decoder.step(stacked, self._state, index, inside)
        for slot in slots:
            self._taken[slot] += stacked.shape[1] * self._snac.config.frame_latents
        return dict(zip(slots, _on_host(samples), strict=True))

    def window(
        self, codes: Mapping[int, Codes], first_frames: Mapping[int, int]
    ) -> dict[int, Samples]:
        sizes = _of_one_size(codes)
        return {slot: s for same in sizes for slot, s in self._window(same, first_frames).items()}

    def _window(
        self, codes: Mapping[int, Codes], first_frames: Mapping[int, int]
    ) -> dict[int, Samples]:
        config = self._snac.config
        index = torch.tensor(list(codes), device=self._snac.device)
        first = torch.tensor([first_frames[slot] for slot in codes], device=self._snac.device)
        each = split_codes(self._stacked(codes), config.codes_per_frame)
        seeds = self._state.seeds.index_select(0, index)
        samples = self._snac.decode(each, seeds, first * config.frame_latents)
        return dict(zip(codes, _on_host(samples), strict=True))

    def _stacked(self, codes: Mapping[int, Codes]) -> Tensor:
        """[B, frames, frame_codes]"""
        return torch.from_numpy(np.stack(list(codes.values()))).to(self._snac.device)


class GraphCodec:
    """All slots together, one replay a frame, in the smallest bucket that holds them.

    What is left over in a bucket runs in a slot that is nobody's. Captures can be replaced by plain
    calls, so that the way through buckets and padding is testable without a GPU.
    """

    def __init__(self, snac: Snac, slots: int, capture: Capture | None = None) -> None:
        self._snac, self._decoder = snac, StreamingDecoder(snac)
        self._capture = CudaCapture(snac.device) if capture is None else capture
        self._state, self._nobody = SnacState(snac, slots + 1), slots
        self._buckets = buckets(slots)
        self._graphs: dict[tuple[str, int, int], _Graph] = {}

    def capture_all(self, window_frames: int) -> None:
        """Everything that slots may need, the largest first; windows up to this many frames."""
        for rows in reversed(self._buckets[1:]):
            self._graph("step", 1, rows)
            for frames in range(1, window_frames + 1):
                self._graph("window", frames, rows)

    def reset(self, slot: int, seed: int) -> None:
        self._state.reset(slot, seed)

    def finish(self, slot: int, frames: int) -> None:
        self._state.finish(slot, frames * self._snac.config.frame_latents)

    def step(self, codes: Mapping[int, Codes]) -> dict[int, Samples]:
        heard: dict[int, list[Samples]] = {slot: [] for slot in codes}
        for frame in range(max(map(len, codes.values()), default=0)):
            now = {slot: frames[frame : frame + 1] for slot, frames in codes.items()}
            now = {slot: frames for slot, frames in now.items() if len(frames)}
            for slot, samples in self._run("step", 1, now, {}).items():
                heard[slot].append(samples)
        return {slot: np.concatenate(pieces) for slot, pieces in heard.items()}

    def window(
        self, codes: Mapping[int, Codes], first_frames: Mapping[int, int]
    ) -> dict[int, Samples]:
        heard: dict[int, Samples] = {}
        for same in _of_one_size(codes):
            size = len(next(iter(same.values())))
            heard |= self._run("window", size, same, first_frames)
        return heard

    def _run(
        self, kind: str, frames: int, codes: Mapping[int, Codes], first_frames: Mapping[int, int]
    ) -> dict[int, Samples]:
        graph = self._graph(kind, frames, fitting(self._buckets, len(codes)))
        graph.plan[:] = 0
        graph.plan[:, 0] = self._nobody
        for row, (slot, of_slot) in enumerate(codes.items()):
            graph.plan[row, 0] = slot
            graph.plan[row, 1] = first_frames.get(slot, 0) * self._snac.config.frame_latents
            graph.plan[row, 2:] = of_slot.ravel()
        return dict(zip(codes, graph.run(), strict=False))

    def _graph(self, kind: str, frames: int, rows: int) -> _Graph:
        key = kind, frames, rows
        if key not in self._graphs:
            work = self._step if kind == "step" else self._window
            columns = 2 + frames * self._snac.config.frame_codes
            plan = torch.zeros(rows, columns, dtype=torch.int64)
            plan[:, 0] = self._nobody  # a capture's warm-up runs for nobody
            self._graphs[key] = _Graph(plan, self._snac.device, work, self._capture)
        return self._graphs[key]

    def _step(self, plan: Tensor) -> Tensor:
        """plan: [rows, slot + first latent + codes] -> samples [rows, n]"""
        return self._decoder.step(self._codes(plan), self._state, plan[:, 0])

    def _window(self, plan: Tensor) -> Tensor:
        each = split_codes(self._codes(plan), self._snac.config.codes_per_frame)
        return self._snac.decode(each, self._state.seeds.index_select(0, plan[:, 0]), plan[:, 1])

    def _codes(self, plan: Tensor) -> Tensor:
        return plan[:, 2:].reshape(len(plan), -1, self._snac.config.frame_codes)


class _Graph:
    """Work of fixed shape: what it takes is written to `plan` on the host, then `run`."""

    def __init__(
        self,
        plan: Tensor,
        device: torch.device,
        work: Callable[[Tensor], Tensor],
        capture: Capture,
    ) -> None:
        self._host = plan.pin_memory() if device.type == "cuda" else plan
        self.plan: NDArray[np.int64] = self._host.numpy()
        self._plan = plan.to(device, copy=True)
        self._samples: Tensor | None = None

        def run() -> None:
            self._samples = work(self._plan)

        self._replay: Replay = capture(run)

    def run(self) -> list[Samples]:
        """Samples of each row; the one copy from the device."""
        self._plan.copy_(self._host, non_blocking=True)
        self._replay()
        assert self._samples is not None
        return _on_host(self._samples)


def _of_one_size(codes: Mapping[int, Codes]) -> list[dict[int, Codes]]:
    """The slots in groups that have as many frames as each other."""
    groups: dict[int, dict[int, Codes]] = {}
    for slot, frames in codes.items():
        groups.setdefault(len(frames), {})[slot] = frames
    return list(groups.values())


def _on_host(samples: Tensor) -> list[Samples]:
    """[rows, n] -> rows of [n]"""
    return list(samples.float().cpu().numpy())
