"""What is computed and fed when an answer's text ends before its sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from voiceserver.engine.mini_omni.steps import Mode
from voiceserver.nn.mini_omni.generate import generate
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import EOT, PAD_T

from ...parity import drawn
from .step_kit import FRAMES, alone, begin, features, new_steps, tokens


class EndingText(MiniOmni):
    """Samples eot at the steps named, and counts the rows that are computed."""

    def __init__(self, *steps: int) -> None:
        super().__init__(drawn.config(), drawn.small_state(), torch.device("cpu"), torch.float32)
        self.ends, self.text_rows, self.decoded_rows = steps, list[int](), list[int]()

    def text_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = super().text_logits(hidden)
        if len(self.text_rows) in self.ends:
            logits[:, EOT] = 1e4
        self.text_rows.append(len(hidden))
        return logits

    def decode(self, ids: torch.Tensor, *rest: object) -> torch.Tensor:
        self.decoded_rows.append(len(ids))
        return super().decode(ids, *rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", [Mode.PAIR, Mode.SPEAK])
def test_after_the_text_only_speech_is_computed(mode: Mode) -> None:
    network = EndingText(3)
    steps = new_steps(network=network)
    begin(steps, 0, mode, seed=2)
    columns = tokens(steps, 0, 9)
    whole = generate(
        EndingText(3),
        Task.A1A2,
        features=features(2),
        written_by=Task.A1T2 if mode is Mode.PAIR else None,
        max_returned_tokens=FRAMES + 3 + 9,
    )
    assert np.array(columns).T.tolist() == whole
    assert whole[7][3:] == [EOT] + [PAD_T] * 5
    assert network.text_rows == [1] * 4
    rows = 2 if mode is Mode.PAIR else 1
    assert network.decoded_rows == [rows] * 4 + [1] * 5
    read = FRAMES + 2
    assert steps.length(0) == read + 9
    if mode is Mode.PAIR:
        assert steps.length(1) == read + 4  # it never reads its own eot


def test_the_first_text_is_not_looked_at_for_its_end() -> None:
    steps = new_steps(network=EndingText(0))
    begin(steps, 0, Mode.PAIR, seed=2)
    texts = [column[7] for column in tokens(steps, 0, 3)]
    assert texts[0] == EOT
    assert PAD_T not in texts


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("mode", [Mode.PAIR, Mode.SPEAK])
def test_the_caller_can_end_the_text(mode: Mode, graphs: bool) -> None:
    steps = new_steps(graphs=graphs)
    begin(steps, 0, mode, seed=2)
    begin(steps, 1, mode, seed=2)
    before = [steps.step([0, 1]) for _ in range(3)]
    steps.end_text(0)
    after = np.array([steps.step([0, 1]) for _ in range(3)])
    assert np.array_equal(np.array(before)[:, 0], np.array(before)[:, 1])
    assert after[:, 0, 7].tolist() == [EOT, PAD_T, PAD_T]
    expected = [column[7] for column in alone(mode, 2)[3:6]]
    assert after[:, 1, 7].tolist() == expected
