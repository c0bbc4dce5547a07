"""Every kernel against its torch twin: checked first, and only then timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from voiceserver.bench.mini_omni.card import Bandwidth, bandwidth, device_name
from voiceserver.bench.mini_omni.kernel_cases import Case, cases
from voiceserver.bench.mini_omni.subject import PUBLISHED, REDUCED, Subject
from voiceserver.bench.mini_omni.timing import Spread, replayed, timed
from voiceserver.bench.report import Report
from voiceserver.errors import VoiceserverError

CONTEXT = 1024
LAUNCHES = 10  # in one graph, so that the clock's steps do not matter

_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 4e-2}


@torch.inference_mode()
def run(subject: Subject, sessions: Sequence[int], repeats: int) -> Report:
    """Check and time all ops with the two rows of each session."""
    config = REDUCED if subject.reduced else PUBLISHED
    device = subject.device
    speed = bandwidth(device)
    on_cuda = device.type == "cuda"
    report = Report(
        "kernels",
        "Each op at the shapes of a decode step, inputs as warm as the step leaves them. "
        + ("CUDA graphs of kernel and twin." if on_cuda else "A CPU runs the twins alone."),
        ("op", "rows", "twin us", "kernel us", "p99 us", "GB/s", "% of floor"),
        card={
            "positions attended": str(CONTEXT),
            "bandwidth": f"{speed.bytes_per_s / 1e9:.1f} GB/s ({speed.source})",
            "device": device_name(device),
        },
    )
    for rows in (2 * count for count in sessions):
        for case in cases(config, device, rows, CONTEXT):
            check(case, rows, on_cuda)
            _add(report, case, rows, repeats, device, speed)
    return report


def check(case: Case, rows: int, on_cuda: bool) -> None:
    """The kernel equals its twin; on a CPU, two rows alone equal these two in the batch."""
    expected = _results(case, case.naive, rows)
    if on_cuda:
        found = _results(case, case.fused, rows)
    else:
        found = _results(case, case.naive, 2)
        expected = [tensor[: len(alone)] for tensor, alone in zip(expected, found, strict=True)]
    for ours, twins in zip(found, expected, strict=True):
        tolerance = _TOLERANCE.get(ours.dtype, 0.0)
        if not torch.allclose(ours, twins, atol=tolerance, rtol=tolerance):
            wrong = (ours.double() - twins.double()).abs().max().item()
            raise VoiceserverError(f"{case.name}, {rows} rows: wrong by {wrong:.3g}; not timed")


def _results(case: Case, op: Callable[..., Any], rows: int) -> list[Tensor]:
    """What an implementation returns and writes."""
    outputs = case.call(op, rows)
    returned = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    return returned + case.written(rows)


def _add(
    report: Report, case: Case, rows: int, repeats: int, device: torch.device, speed: Bandwidth
) -> None:
    """Time a case and write its row."""
    twin = _launch_times(lambda: case.call(case.naive, rows), repeats, device)
    kernel = None
    if device.type == "cuda":
        kernel = _launch_times(lambda: case.call(case.fused, rows), repeats, device)
    best = kernel or twin
    size = case.size_bytes(rows)
    rate, share = size / best.p50_ms / 1e6, speed.floor_ms(size) / best.p50_ms * 100
    report.rows.append(
        (
            case.name,
            rows,
            f"{twin.p50_ms * 1e3:.1f}",
            None if kernel is None else f"{kernel.p50_ms * 1e3:.1f}",
            f"{best.p99_ms * 1e3:.1f}",
            f"{rate:.1f}",
            f"{share:.0f}",
        )
    )
    report.numbers.setdefault("ops", []).append(
        {
            "op": case.name,
            "rows": rows,
            "twin_p50_us": round(twin.p50_ms * 1e3, 2),
            "kernel_p50_us": None if kernel is None else round(kernel.p50_ms * 1e3, 2),
            "p99_us": round(best.p99_ms * 1e3, 2),
            "bytes": size,
            "share_of_floor": round(share / 100, 4),
        }
    )


def _launch_times(work: Callable[[], object], repeats: int, device: torch.device) -> Spread:
    """Times of one launch."""
    if device.type != "cuda":
        return timed(work, repeats, device)

    def several() -> None:
        for _ in range(LAUNCHES):
            work()

    spread = timed(replayed(several, device), max(2, repeats // LAUNCHES), device)
    return Spread(spread.p50_ms / LAUNCHES, spread.p99_ms / LAUNCHES)
