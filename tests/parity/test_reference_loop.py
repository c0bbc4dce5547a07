"""Our network and the yardstick of the benches, two implementations, at sizes nothing else uses."""

from __future__ import annotations

import pytest
import torch

from voiceserver.bench.mini_omni.reference_loop import ReferenceLoop
from voiceserver.nn.mini_omni import weights
from voiceserver.nn.mini_omni.generate import generate
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.mini_omni.prompts import Task

from . import drawn

CPU = torch.device("cpu")
COLUMNS = 25


@pytest.mark.parametrize(
    ("seed", "sizes"),
    [
        (11, {"layers": 4, "heads": 14, "kv_heads": 2, "head_dim": 4, "model_dim": 40}),
        (12, {"layers": 1, "heads": 3, "kv_heads": 3, "head_dim": 16, "hidden_dim": 30}),
    ],
)
def test_same_tokens_at_other_sizes(seed: int, sizes: dict[str, int]) -> None:
    config = drawn.config(**sizes)
    state = drawn.state_dict(seed, weights.shapes(config))
    features = drawn.features(seed, 9, config.whisper_dim)
    loop = ReferenceLoop(config, state, CPU)
    columns = [loop.start(features)]
    while len(columns) < COLUMNS:
        columns.append(loop.step(columns[-1]))
    streams = generate(
        MiniOmni(config, state, CPU, torch.float32),
        Task.A1A2,
        features=features,
        written_by=Task.A1T2,
        max_returned_tokens=9 + 3 + COLUMNS,
    )
    assert [list(column) for column in zip(*streams, strict=True)] == columns
