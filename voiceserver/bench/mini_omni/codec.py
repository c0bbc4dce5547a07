"""A frame of streamed speech: checked against the whole decode, then timed beside the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from voiceserver import kernels
from voiceserver.bench.mini_omni.card import Bandwidth, bandwidth, device_name, megabytes
from voiceserver.bench.mini_omni.codec_check import check, early_start_db, random_frames
from voiceserver.bench.mini_omni.subject import Subject
from voiceserver.bench.mini_omni.timing import Spread, timed
from voiceserver.bench.report import Goal, Report
from voiceserver.config import Kernels
from voiceserver.engine.mini_omni.codec import CodecRunner, EagerCodec, GraphCodec
from voiceserver.engine.mini_omni.voice import SnacVoice
from voiceserver.nn.snac import SNAC_24KHZ, Snac, SnacConfig, SnacState, load
from voiceserver.nn.snac.config import KERNEL

REDUCED = SnacConfig(24_000, 32, SNAC_24KHZ.decoder_rates, 16, SNAC_24KHZ.vq_strides)
WINDOWS = (3, 4)  # frames decoded for one that is heard
EARLY_FRAMES = 3
FRAME_MS = SnacVoice.frame_samples / SnacVoice.sample_rate_hz * 1e3
AT_MOST_OF_WINDOW_PERCENT = 50
WALL_CLOCK = torch.device("cpu")  # what is timed ends on the host


@dataclass(frozen=True)
class Variant:
    """A way of running the stream."""

    name: str
    graphs: bool
    kernels: Kernels | None = None  # None: as it is served

    def runner(self, snac: Snac, streams: int) -> CodecRunner:
        return GraphCodec(snac, streams) if self.graphs else EagerCodec(snac, streams)

    def step(self, snac: Snac, streams: int, frames: int) -> Spread:
        """A frame of every stream."""
        with nullcontext() if self.kernels is None else kernels.forced(self.kernels):
            voice = SnacVoice(snac, streams, early=False, runner=self.runner(snac, streams))
            for slot in range(streams):
                voice.start(slot, slot)
            codes = random_frames(snac.config, streams, 0)
            now = dict(enumerate(codes))
            return timed(lambda: voice.decode(now), frames, WALL_CLOCK)

    def window(self, snac: Snac, streams: int, size: int, frames: int) -> Spread:
        """Several frames of every stream, decoded by themselves."""
        runner = self.runner(snac, streams)
        codes = {slot: random_frames(snac.config, size, slot) for slot in range(streams)}
        first = dict.fromkeys(codes, 0)
        return timed(lambda: runner.window(codes, first), max(5, frames // 3), WALL_CLOCK)


def run(
    subject: Subject, sessions: Sequence[int], frames: int, told: Callable[[str], None]
) -> Report:
    """Time the stream for each number of sessions; `frames` steps of each."""
    snac, on_cuda = _codec_of(subject), subject.device.type == "cuda"
    floor = Floor(snac, bandwidth(subject.device), _multiplications_per_s(subject.device))
    report = Report(
        "codec",
        f"{subject.described()}. One frame ({FRAME_MS:.1f} ms) of every stream, wall clock from "
        "codes to samples on the host. A sliding window decodes several frames for each that is "
        "heard, and is still not exact.",
        ("what", "streams", "p50 ms", "p99 ms", "% of floor", "stream is x faster"),
        card=_card(snac, floor) | {"device": device_name(subject.device)},
    )
    served = Variant("stream", on_cuda)
    told("checking the stream against the whole decode")
    report.numbers["largest_difference"] = check(
        SnacVoice(snac, 2, early=False, runner=served.runner(snac, 2)), snac
    )
    others = (
        [Variant("no graph", False), Variant("graph of torch ops", True, "torch")]
        if on_cuda
        else []
    )
    for streams in sessions:
        told(f"timing {streams} streams")
        spreads = {served.name: served.step(snac, streams, frames)}
        spreads |= {variant.name: variant.step(snac, streams, frames) for variant in others}
        for size in WINDOWS:
            spreads[f"window of {size}"] = served.window(snac, streams, size, frames)
        _tabulate(report, streams, spreads, floor)
    told("early start")
    _compare_early_start(report, snac, subject)
    return report


class Floor:
    """No step can be faster: every weight and every stream's state is read, the state is written,
    and the products take their time even at the device's own rate for large matrices."""

    def __init__(self, snac: Snac, memory: Bandwidth, multiplications_per_s: float) -> None:
        self.weight_bytes = snac.parameters * snac.dtype.itemsize
        self.state_bytes = SnacState(snac, 1).slot_bytes
        self.multiplications = multiplications(snac.config)
        self.memory, self.multiplications_per_s = memory, multiplications_per_s

    def ms(self, streams: int) -> float:
        products_ms = streams * self.multiplications / self.multiplications_per_s * 1e3
        moved = self.weight_bytes + 2 * streams * self.state_bytes
        return max(products_ms, self.memory.floor_ms(moved))


def multiplications(config: SnacConfig) -> int:
    """Of one frame, in convolutions and products."""
    rows, width = config.frame_latents, config.latent_dim
    taps = KERNEL * width * (1 if config.depthwise else config.decoder_dim)
    total = rows * (taps + (width * config.decoder_dim if config.depthwise else 0))
    for stride, source, width in zip(
        config.decoder_rates, config.widths, config.widths[1:], strict=False
    ):
        rows *= stride
        unit = KERNEL * width * (1 if config.depthwise else width) + width * width
        total += rows * (2 * source * width + (width * width if config.noise else 0) + 3 * unit)
    return total + rows * KERNEL * width


def _multiplications_per_s(device: torch.device) -> float:
    """In products of large float32 matrices."""
    size = 4096 if device.type == "cuda" else 1024
    matrix = torch.ones(size, size, device=device)
    spread = timed(lambda: float((matrix @ matrix)[0, 0]), 5, WALL_CLOCK)
    return size**3 / (spread.p50_ms / 1e3)


def _codec_of(subject: Subject) -> Snac:
    if subject.weights is not None:
        return load(subject.weights / "snac", subject.device)
    return Snac.random(REDUCED if subject.reduced else SNAC_24KHZ, device=subject.device)


def _card(snac: Snac, floor: Floor) -> dict[str, str]:
    config = snac.config
    ahead_ms = config.delay_samples / config.sampling_rate * 1e3
    gigaflops = floor.multiplications_per_s * 2 / 1e9
    return {
        "decoder": f"{snac.parameters / 1e6:.2f} M parameters, {megabytes(floor.weight_bytes)}",
        "state of a stream": f"{floor.state_bytes / 1e3:.0f} kB",
        "look-ahead": f"{config.delay_samples} samples, {ahead_ms:.1f} ms",
        "operations a frame": f"{2 * floor.multiplications / 1e9:.2f} GFLOP",
        "bandwidth": f"{floor.memory.bytes_per_s / 1e9:.1f} GB/s ({floor.memory.source})",
        "products": f"{gigaflops:.0f} GFLOP/s (float32, measured here on large matrices)",
        "floor of a step": f"{floor.ms(1):.3f} ms",
    }


def _tabulate(report: Report, streams: int, spreads: dict[str, Spread], floor: Floor) -> None:
    ours = spreads["stream"]
    for name, spread in spreads.items():
        report.rows.append(
            (
                name,
                streams,
                f"{spread.p50_ms:.2f}",
                f"{spread.p99_ms:.2f}",
                f"{100 * floor.ms(streams) / spread.p50_ms:.0f}",
                "-" if spread is ours else f"{spread.p50_ms / ours.p50_ms:.2f}",
            )
        )
    report.numbers[f"streams_{streams}"] = {
        name: {"p50_ms": round(spread.p50_ms, 3), "p99_ms": round(spread.p99_ms, 3)}
        for name, spread in spreads.items()
    }
    share = 100 * ours.p50_ms / spreads[f"window of {WINDOWS[0]}"].p50_ms
    name = f"streams: {streams}"
    report.goals += [
        Goal(f"{name}, share of the smaller window", share, AT_MOST_OF_WINDOW_PERCENT, "%"),
        Goal(f"{name}, p99 of a step", ours.p99_ms, round(FRAME_MS, 1), "ms"),
    ]


def _compare_early_start(report: Report, snac: Snac, subject: Subject) -> None:
    """How far sound heard early is from the exact sound, frame by frame."""
    ratios = early_start_db(snac, EARLY_FRAMES)
    report.numbers["early_start_snr_db"] = [round(ratio, 1) for ratio in ratios]
    note = "; random weights: says nothing about how it sounds" if subject.weights is None else ""
    report.card["early start"] = (
        f"frames heard early are at {', '.join(f'{ratio:.1f}' for ratio in ratios)} dB against "
        f"the exact sound{note}"
    )
