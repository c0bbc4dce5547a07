"""One step of the language model: checked against the yardstick loop, then timed beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from voiceserver import kernels
from voiceserver.bench.mini_omni.card import (
    Bandwidth,
    bandwidth,
    device_name,
    model_card,
    step_bytes,
)
from voiceserver.bench.mini_omni.reference_loop import ReferenceLoop
from voiceserver.bench.mini_omni.subject import Subject
from voiceserver.bench.mini_omni.timing import Spread
from voiceserver.bench.report import Goal, Report
from voiceserver.config import Kernels
from voiceserver.engine.mini_omni.steps import Mode, Segment, Steps
from voiceserver.engine.sampling import Sampling
from voiceserver.errors import VoiceserverError
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import EOT, TEXT_STREAM

QUESTION_FEATURES = 150  # three seconds of speech
CHECKED_COLUMNS = 16
WARM_UP_STEPS = 3
FRAME_MS = 85.3  # of sound that one step makes
FASTER = 4.0  # than the yardstick, on a CPU
GPU_GOALS_MS = {1: 1.0, 64: 2.0}  # by sessions

Columns = list[list[int]]


@dataclass(frozen=True)
class Variant:
    """A way of running our step."""

    name: str
    network: MiniOmni
    weight_bytes: int
    graphs: bool = False
    kernels: Kernels | None = None  # None: as it is served

    def steps(self, sessions: int, features: Tensor) -> Steps:
        """All slots have read the question."""
        steps = Steps(self.network, sessions, scratch=0, graphs=self.graphs)
        ids = prompts.spoken_prompt(Task.A1A2, len(features))[:-1]
        steps.extend([Segment(0, ids, features, prompts.FEATURES_AT)])
        for row in range(1, 2 * sessions):
            steps.copy(0, row, len(ids))
        return steps


def run(
    subject: Subject, sessions: Sequence[int], steps: int, told: Callable[[str], None]
) -> Report:
    """Time all variants for each number of sessions; `steps` of each."""
    config, state = subject.language()
    device, features = subject.device, _question(config)
    context = len(features) + 3 + steps // 2
    report = Report(
        "step",
        f"{subject.described()}. Each session answers a question of three seconds: one row speaks, "
        "one writes. Wall clock from the call to the tokens on the host.",
        ("what", "sessions", "p50 ms", "p99 ms", "% of floor", "x faster"),
        card=model_card(config, device, 2, context) | {"device": device_name(device)},
    )
    told("checking against the yardstick loop")
    loop = ReferenceLoop(config, state, device)
    exact = MiniOmni(config, state, device, torch.float32)
    columns = check(loop, Variant("exact", exact, 4), features)
    served = subject.network(config, state)
    report.numbers["checked_columns"] = CHECKED_COLUMNS
    report.numbers["same_tokens_as_float32"] = agreement(exact, served, features, columns)
    told("timing the yardstick loop")
    yardstick = Spread.of(list(_yardstick_times(loop, features, steps)))
    del loop, state
    table = _Table(report, config, bandwidth(device), context, yardstick)
    table.add_yardstick()
    for count in sessions:
        for variant in _variants(exact, served):
            if variant.network is exact and count > 1 and exact is not served:
                continue  # the exact network is for comparing only
            told(f"{variant.name}, {count} sessions")
            with kernels.forced(variant.kernels):
                table.add(variant, count, *_times(variant, count, features, steps))
    if not subject.reduced:
        report.goals += table.goals(device)
    return report


def check(loop: ReferenceLoop, exact: Variant, features: Tensor) -> Columns:
    """Both say the same in float32, or an error; what they say."""
    expected = [loop.start(features)]
    while len(expected) < CHECKED_COLUMNS:
        expected.append(loop.step(expected[-1]))
    steps = exact.steps(1, features)
    _begin(steps, 0, len(features))
    found = [steps.step([0])[0].tolist() for _ in expected]
    for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if ours != theirs:
            raise VoiceserverError(f"column {index} is {ours}, not {theirs}; nothing is timed")
    return expected


def agreement(exact: MiniOmni, served: MiniOmni, features: Tensor, columns: Columns) -> float:
    """The share of tokens that the served precision chooses as float32 does, on the same past."""
    prompt = prompts.spoken_prompt(Task.A1A2, len(features))
    segment = Segment(0, torch.cat([prompt, torch.tensor(columns)]), features, prompts.FEATURES_AT)
    chosen = []
    for network in (exact, served):
        hidden = network.read(network.new_cache(1), [segment])[len(prompt) - 1 :]
        audio, text = network.audio_logits(hidden), network.text_logits(hidden)
        chosen.append(torch.cat([audio.argmax(-1), text.argmax(-1, keepdim=True)], dim=1))
    return float((chosen[0] == chosen[1]).float().mean())


def _variants(exact: MiniOmni, served: MiniOmni) -> list[Variant]:
    if served.device.type != "cuda":
        return [Variant("ours, float32", exact, 4), Variant("ours, int8", served, 1)]
    return [
        Variant("ours, torch ops", served, 2, kernels="torch"),
        Variant("ours, Triton ops", served, 2, kernels="triton"),
        Variant("ours, torch ops in a graph", served, 2, graphs=True, kernels="torch"),
        Variant("ours, Triton ops in a graph", served, 2, graphs=True, kernels="triton"),
    ]


def _times(variant: Variant, sessions: int, features: Tensor, count: int) -> tuple[Spread, Spread]:
    """Of steps that speak and write, and of those after the end of the text."""
    steps, voices = variant.steps(sessions, features), range(sessions)
    for voice in voices:
        _begin(steps, voice, len(features))
    writing = Spread.of(_step_times(steps, voices, len(features), count))
    for voice in voices:
        steps.end_text(voice)
    steps.step(voices)
    return writing, Spread.of(_step_times(steps, voices, None, count))


def _step_times(steps: Steps, voices: range, restart: int | None, count: int) -> list[float]:
    """Milliseconds of each step. `restart`: voices whose text ends begin again, after so many
    features."""
    times_ms = []
    for index in range(WARM_UP_STEPS + count):
        began_s = time.perf_counter()
        columns = steps.step(voices)
        if index >= WARM_UP_STEPS:
            times_ms.append((time.perf_counter() - began_s) * 1e3)
        if restart is not None:
            for voice in voices:
                if columns[voice, TEXT_STREAM] == EOT:
                    steps.end(voice)
                    _begin(steps, voice, restart)
    return times_ms


def _yardstick_times(loop: ReferenceLoop, features: Tensor, count: int) -> Iterator[float]:
    column = loop.start(features)
    for index in range(WARM_UP_STEPS + count):
        began_s = time.perf_counter()
        column = loop.step(column)
        if index >= WARM_UP_STEPS:
            yield (time.perf_counter() - began_s) * 1e3


def _begin(steps: Steps, voice: int, features: int) -> None:
    """A voice answers the question that its rows have read."""
    for row in (2 * voice, 2 * voice + 1):
        steps.rollback(row, features + 2)
    last = torch.cat([prompts.answer(Task.A1A2), prompts.answer(Task.A1T2)])
    steps.start(voice, Mode.PAIR, last, Sampling(temperature=0.0, seed=voice))


def _question(config: MiniOmniConfig) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(QUESTION_FEATURES, config.whisper_dim, generator=generator)


@dataclass
class _Table:
    """Writes the report's rows and numbers."""

    report: Report
    config: MiniOmniConfig
    speed: Bandwidth
    context: int
    yardstick: Spread

    def add_yardstick(self) -> None:
        self._row("yardstick, float32", 1, self.yardstick, None)

    def add(self, variant: Variant, sessions: int, writing: Spread, speaking: Spread) -> None:
        for writes, spread in ((True, writing), (False, speaking)):
            name = variant.name if writes else f"{variant.name}, text ended"
            size = step_bytes(
                self.config,
                variant.weight_bytes,
                variant.network.dtype.itemsize,
                sessions * (2 if writes else 1),
                self.context,
                writes=writes,
            )
            self._row(name, sessions, spread, self.speed.floor_ms(size.total))

    def goals(self, device: torch.device) -> list[Goal]:
        best = {n: min(self._of("ours", n)) for n in {m["sessions"] for m in self._measured()}}
        if device.type == "cuda":
            names = {n: f"step of {n} sessions" for n in GPU_GOALS_MS}
            wanted = GPU_GOALS_MS.items()
            return [Goal(names[n], best[n], ms, "ms") for n, ms in wanted if n in best]
        if 1 not in best:
            return []
        share = 100 * best[1] / self.yardstick.p50_ms
        return [
            Goal("step against the yardstick's", share, 100 / FASTER, "%"),
            Goal("step against the sound it makes", best[1], FRAME_MS, "ms"),
        ]

    def _of(self, prefix: str, sessions: int) -> list[float]:
        """Medians of the variants that both speak and write."""
        return [
            measured["p50_ms"]
            for measured in self._measured()
            if measured["sessions"] == sessions
            and measured["what"].startswith(prefix)
            and not measured["what"].endswith("ended")
        ]

    def _measured(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.report.numbers.setdefault("steps", [])
        return found

    def _row(self, what: str, sessions: int, spread: Spread, floor_ms: float | None) -> None:
        share = None if floor_ms is None else floor_ms / spread.p50_ms
        faster = sessions * self.yardstick.p50_ms / spread.p50_ms
        cells = (f"{spread.p50_ms:.2f}", f"{spread.p99_ms:.2f}")
        floor = None if share is None else f"{100 * share:.0f}"
        self.report.rows.append((what, sessions, *cells, floor, f"{faster:.1f}"))
        self._measured().append(
            {
                "what": what,
                "sessions": sessions,
                "p50_ms": spread.p50_ms,
                "p99_ms": spread.p99_ms,
                "share_of_floor": share,
                "times_faster": faster,
            }
        )
