"""Steps of a small random model, and answers begun in them, for several test files."""

from __future__ import annotations

from functools import cache

import torch

from voiceserver.engine.mini_omni.steps import Mode, Segment, Steps
from voiceserver.engine.sampling import Sampling
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.mini_omni.prompts import Task

from ...parity import drawn

GREEDY = Sampling(temperature=0.0, seed=0)
POSITIONS = 64
FRAMES = 5


def new_steps(
    slots: int = 2,
    graphs: bool = False,
    positions: int = POSITIONS,
    network: MiniOmni | None = None,
) -> Steps:
    return Steps(network or drawn.small_model(), slots, positions=positions, graphs=graphs)


def features(seed: int = 1, frames: int = FRAMES) -> torch.Tensor:
    return drawn.features(seed, frames, drawn.config().whisper_dim)


def hear(steps: Steps, rows: list[int], seed: int = 1) -> None:
    """Rows read a spoken prompt but its last column."""
    ids = prompts.spoken_prompt(Task.A1A2, FRAMES)[:-1]
    heard = features(seed)
    steps.extend([Segment(row, ids, heard, prompts.FEATURES_AT) for row in rows])


def begin(steps: Steps, voice: int, mode: Mode, seed: int = 1) -> None:
    """An answer to the spoken prompt `seed`; which is also the sampling's."""
    tasks = {Mode.PAIR: [Task.A1A2, Task.A1T2], Mode.SPEAK: [Task.A1A2], Mode.WRITE: [Task.A1T2]}
    rows = {Mode.PAIR: [2 * voice, 2 * voice + 1], Mode.SPEAK: [2 * voice]}
    hear(steps, rows.get(mode, [2 * voice + 1]), seed)
    last = torch.cat([prompts.answer(task) for task in tasks[mode]])
    steps.start(voice, mode, last, Sampling(temperature=0.7 * (seed % 2), seed=seed))


def tokens(steps: Steps, voice: int, count: int) -> list[list[int]]:
    return [steps.step([voice])[0].tolist() for _ in range(count)]


@cache
def alone(mode: Mode, seed: int) -> list[list[int]]:
    steps = new_steps(slots=1)
    begin(steps, 0, mode, seed)
    return tokens(steps, 0, 12)
