"""The whole step on Triton kernels: on a GPU where there is one, else in Triton's interpreter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from voiceserver import kernels
from voiceserver.config import Kernels
from voiceserver.engine.mini_omni.steps import Mode, Segment, Steps
from voiceserver.engine.sampling import Sampling
from voiceserver.nn.mini_omni import prompts, weights
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.mini_omni.prompts import Task

from ...parity import drawn

pytest.importorskip("triton")


def said(choice: Kernels) -> list[list[int]]:
    """One session writes and speaks greedily, another only speaks, by chance.

    (The interpreter takes seconds to draw by chance from the whole text vocabulary.)
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = drawn.config(layers=1, head_dim=16, model_dim=16)
    state = drawn.state_dict(5, weights.shapes(config))
    network = MiniOmni(config, state, device, torch.float32)
    steps = Steps(network, 2, positions=16, graphs=False)
    ids = prompts.typed_prompt(Task.T1A2, [1])[:-1]
    steps.extend([Segment(row, ids) for row in range(4)])
    last = torch.cat([prompts.answer(Task.T1A2), prompts.answer(Task.T1T2)])
    for voice, temperature in ((0, 0.0), (1, 0.8)):
        steps.start(voice, Mode.PAIR, last, Sampling(temperature, seed=1))
    steps.end_text(1)
    with kernels.forced(choice):
        return np.concatenate([steps.step([0, 1]), steps.step([1])]).tolist()


def test_kernels_and_twins_say_the_same() -> None:
    assert said("triton") == said("torch")
