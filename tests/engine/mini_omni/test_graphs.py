from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from voiceserver.engine.mini_omni.graphs import EagerRunner, GraphRunner, Replay, buckets, fitting
from voiceserver.engine.mini_omni.program import StepProgram
from voiceserver.engine.mini_omni.steps import Mode, Segment, Steps
from voiceserver.engine.sampling import Sampling
from voiceserver.nn.mini_omni import prompts, weights
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import PAD_T

from ...parity import drawn

ROWS, VOICES = 5, 3  # the last row is padding's


class Captures:
    """Counts captures and replays in the place of CUDA graphs."""

    def __init__(self) -> None:
        self.captured = 0
        self.replayed: list[int] = []

    def __call__(self, function: Replay) -> Replay:
        number, self.captured = self.captured, self.captured + 1
        function()

        def replay() -> None:
            self.replayed.append(number)
            function()

        return replay


def program() -> StepProgram:
    model = drawn.small_model()
    made = StepProgram(model, model.new_cache(ROWS, 16), VOICES)
    for voice in range(VOICES):
        made.set(voice, prompts.answer(Task.A1A2)[0], 0.0, voice)
    return made


def plan(*rows: tuple[int, int, int, int]) -> NDArray[np.int64]:
    """Of (row, position, voice, writes for): [6, N]"""
    return np.ascontiguousarray(np.array([(*row, PAD_T, 0) for row in rows], np.int64).T)


def test_buckets_double() -> None:
    assert buckets(5) == [0, 1, 2, 4, 8]
    assert buckets(0) == [0, 1]
    assert [fitting(buckets(5), n) for n in range(6)] == [0, 1, 2, 4, 4, 8]


def test_padding_changes_nothing() -> None:
    nobody = VOICES
    pair = plan((0, 0, 0, nobody), (2, 0, 1, nobody), (1, 0, 0, 0), (3, 0, 1, 1), (4, 0, 2, 2))
    exact, padded = program(), program()
    ours = GraphRunner(padded, speaking=4, writing=4, capture=Captures()).run(pair, 2, False)
    theirs = EagerRunner(exact).run(pair, 2, False)
    np.testing.assert_array_equal(ours, theirs)
    for row in range(ROWS - 1):
        assert torch.equal(padded.cache.keys[1][row], exact.cache.keys[1][row])


def test_all_buckets_are_captured_once_and_replayed() -> None:
    captures = Captures()
    runner = GraphRunner(program(), speaking=2, writing=1, capture=captures)
    runner.capture_all()
    assert captures.captured == 3 * 2 - 1  # without the one of no rows
    for _ in range(2):
        runner.run(plan((0, 0, 0, 0)), 1, True)  # speaks and writes in one row: captured late
    runner.run(plan((0, 0, 0, VOICES), (2, 0, 1, VOICES)), 2, False)
    assert captures.captured == 6
    assert captures.replayed[:2] == [5, 5]
    assert captures.replayed[2] < 5


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def on_cuda() -> MiniOmni:
    config = drawn.config(head_dim=16, model_dim=64)
    state = drawn.state_dict(5, weights.shapes(config))
    return MiniOmni(config, state, torch.device("cuda"), torch.float32)


def begin(steps: Steps, voices: int) -> None:
    ids, whisper_dim = prompts.spoken_prompt(Task.A1A2, 5)[:-1], drawn.config().whisper_dim
    last = torch.cat([prompts.answer(Task.A1A2), prompts.answer(Task.A1T2)])
    for voice in range(voices):
        heard = drawn.features(voice, 5, whisper_dim)
        steps.extend([Segment(row, ids, heard, 1) for row in (2 * voice, 2 * voice + 1)])
        steps.start(voice, Mode.PAIR, last, Sampling(0.8 * (voice % 2), voice))


@pytest.mark.gpu
@needs_gpu
def test_graphs_and_their_eager_twin_say_the_same() -> None:
    network = on_cuda()
    said = []
    for graphs in (True, False):
        steps = Steps(network, 4, positions=96, graphs=graphs)
        begin(steps, 3)
        columns = [steps.step(voices) for voices in ([0, 1, 2], [2], [0, 1]) * 4]
        steps.end_text(1)
        said.append([*columns, *[steps.step([0, 1, 2]) for _ in range(8)]])
    for captured, eager in zip(*said, strict=True):
        np.testing.assert_array_equal(captured, eager)


@pytest.mark.gpu
@needs_gpu
def test_nothing_is_read_on_the_host_within_a_step() -> None:
    network = on_cuda()
    made = StepProgram(network, network.new_cache(3, 16), 1)
    on_device = torch.from_numpy(plan((0, 0, 0, 1), (1, 0, 0, 0))).to(network.device)
    made.advance(on_device, 1, False)  # kernels are compiled
    torch.cuda.set_sync_debug_mode("error")
    try:
        made.advance(on_device, 1, False)
    finally:
        torch.cuda.set_sync_debug_mode("default")
