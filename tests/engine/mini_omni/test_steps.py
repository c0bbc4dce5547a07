from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voiceserver.engine.mini_omni import graphs as graphs_module
from voiceserver.engine.mini_omni.steps import Mode, Segment, Steps
from voiceserver.engine.sampling import Sampling
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.errors import CacheFull, PromptError
from voiceserver.nn.mini_omni.generate import generate
from voiceserver.nn.mini_omni.prompts import Task

from ...parity import drawn
from .step_kit import FRAMES, GREEDY, alone, begin, features, hear, new_steps, tokens


@pytest.fixture(params=[False, True], ids=["eager", "buckets"])
def graphs(request: pytest.FixtureRequest) -> bool:
    """Both ways of running a step; a replay is a plain call on a CPU."""
    return bool(request.param)


def test_a_pair_writes_what_the_offline_loop_writes(graphs: bool) -> None:
    steps = new_steps(graphs=graphs)
    hear(steps, [2, 3])
    last = torch.cat([prompts.answer(Task.A1A2), prompts.answer(Task.A1T2)])
    steps.start(1, Mode.PAIR, last, GREEDY)
    whole = generate(
        drawn.small_model(),
        Task.A1A2,
        features=features(),
        written_by=Task.A1T2,
        max_returned_tokens=FRAMES + 3 + 20,
    )
    assert np.array(tokens(steps, 1, 20)).T.tolist() == whole


def test_one_row_speaks_and_writes_as_the_offline_loop(graphs: bool) -> None:
    steps = new_steps(graphs=graphs)
    prompt = prompts.typed_prompt(Task.T1A2, [5, 6, 7])
    steps.extend([Segment(0, prompt[:-1])])
    steps.start(0, Mode.SPEAK, prompt[-1:], GREEDY)
    whole = generate(
        drawn.small_model(), Task.T1A2, text=[5, 6, 7], max_returned_tokens=len(prompt) + 20
    )
    assert np.array(tokens(steps, 0, 20)).T.tolist() == whole


@pytest.mark.parametrize("voice", [1, 2])
def test_a_row_writes_as_the_offline_loop(voice: int, graphs: bool) -> None:
    steps = new_steps(graphs=graphs)
    hear(steps, [voice + 2])  # the writing row of slot 1, the first scratch row of two slots
    steps.start(voice, Mode.WRITE, prompts.answer(Task.A1T1), GREEDY)
    whole = generate(
        drawn.small_model(),
        Task.A1T1,
        features=features(),
        max_returned_tokens=FRAMES + 3 + 20,
    )
    columns = np.array(tokens(steps, voice, 20))
    assert columns[:, 7].tolist() == whole[0]
    assert (columns[:, :7] == 4097).all()


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),  # slot
        st.sampled_from(Mode),
        st.integers(1, 4),  # seed
        st.sets(st.integers(0, 3)),  # slots that are left out of the following step
    ),
    min_size=4,
    max_size=14,
)


@pytest.mark.parametrize("graphs", [False, True])
def test_a_voice_says_the_same_among_others(graphs: bool) -> None:
    steps = new_steps(slots=4, graphs=graphs)

    @settings(max_examples=12, deadline=None)
    @given(EVENTS)
    def check(events: list[tuple[int, Mode, int, set[int]]]) -> None:
        answering: dict[int, tuple[Mode, int]] = {}
        made: dict[int, list[list[int]]] = {}
        for slot, mode, seed, left_out in events:
            if slot in answering:
                del answering[slot]
                stop(steps, slot)
            else:
                begin(steps, slot, mode, seed)
                answering[slot], made[slot] = (mode, seed), []
            voices = [v for v in reversed(answering) if v not in left_out and len(made[v]) < 12]
            for voice, column in zip(voices, steps.step(voices).tolist(), strict=True):
                made[voice].append(column)
        for voice, (mode, seed) in answering.items():
            assert made[voice] == alone(mode, seed)[: len(made[voice])]
            stop(steps, voice)

    check()


def stop(steps: Steps, voice: int) -> None:
    steps.end(voice)
    for row in (2 * voice, 2 * voice + 1):
        steps.rollback(row, 0)


def test_rounded_products_do_not_mix_voices() -> None:
    network = drawn.small_model(int8=True)
    columns: list[NDArray[np.int64]] = []
    for voices in ([0], [2, 0, 1]):
        steps = new_steps(slots=3, network=network)
        for voice in voices:
            begin(steps, voice, Mode.PAIR, seed=voice + 1)
        columns.append(np.array([steps.step(voices) for _ in range(8)]))
    np.testing.assert_array_equal(columns[0][:, 0], columns[1][:, 1])


def test_a_temperature_draws_by_the_seed_of_the_answer() -> None:
    assert len({str(alone(Mode.PAIR, seed)) for seed in (1, 3)}) == 2
    hot = new_steps(slots=2)
    for voice, seed in ((0, 5), (1, 6)):
        hear(hot, [2 * voice])
        hot.start(voice, Mode.SPEAK, prompts.answer(Task.A1A2), Sampling(1.5, seed))
    first, second = np.array([hot.step([0, 1]) for _ in range(5)]).transpose(1, 0, 2)
    assert (first != second).any()


def test_cutting_back_equals_never_having_gone_on() -> None:
    prompt = prompts.typed_prompt(Task.T1T2, [9, 8])
    cut, straight = new_steps(), new_steps()
    for steps in (cut, straight):
        begin(steps, 0, Mode.PAIR, seed=2)
    heard = tokens(cut, 0, 9)
    cut.end(0)
    for row in (0, 1):
        cut.rollback(row, FRAMES + 2 + 4)
    assert tokens(straight, 0, 4) == heard[:4]
    straight.end(0)
    answers = []
    for steps in (cut, straight):
        assert [steps.length(row) for row in (0, 1)] == [FRAMES + 6] * 2
        steps.extend([Segment(row, prompt[:-1]) for row in (0, 1)])
        last = torch.cat([prompts.answer(Task.T1A2), prompts.answer(Task.T1T2)])
        steps.start(0, Mode.PAIR, last, GREEDY)
        answers.append(tokens(steps, 0, 6))
    assert answers[0] == answers[1]


def test_a_prompt_read_once_serves_both_rows() -> None:
    steps = new_steps()
    hear(steps, [2], seed=2)
    steps.copy(2, 3, steps.length(2))
    last = torch.cat([prompts.answer(Task.A1A2), prompts.answer(Task.A1T2)])
    steps.start(1, Mode.PAIR, last, Sampling(0.0, 2))
    assert tokens(steps, 1, 8) == alone(Mode.PAIR, 2)[:8]


def test_a_full_row_is_refused_before_anything_happens() -> None:
    steps = new_steps(positions=FRAMES + 2 + 3)
    begin(steps, 0, Mode.PAIR, seed=2)
    begin(steps, 1, Mode.WRITE, seed=2)
    made = tokens(steps, 0, 3)
    assert made == alone(Mode.PAIR, 2)[:3]
    assert steps.room(0) == 0
    with pytest.raises(CacheFull, match="voice 0"):
        steps.step([1, 0])
    assert steps.length(3) == FRAMES + 2
    assert tokens(steps, 1, 3) == alone(Mode.WRITE, 2)[:3]
    with pytest.raises(CacheFull, match="row 0"):
        steps.extend([Segment(4, prompts.begin()), Segment(0, prompts.begin())])
    assert steps.length(4) == 0


def test_columns_that_cannot_be_are_refused() -> None:
    steps = new_steps()
    pair = torch.cat([prompts.answer(Task.A1A2), prompts.answer(Task.A1T2)])
    outside = pair.clone()
    outside[0, 2] = 4160
    talking = pair.flip(0)
    apart = pair.clone()
    apart[1, 7] = 5
    for wrong in (pair[:1], outside, talking, apart):
        with pytest.raises(PromptError):
            steps.start(0, Mode.PAIR, wrong, GREEDY)
    with pytest.raises(PromptError, match="vocabulary"):
        steps.extend([Segment(0, outside)])
    steps.start(0, Mode.PAIR, pair, GREEDY)


def test_one_copy_to_the_host_a_step(graphs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[int] = []
    original = graphs_module.to_host

    def counted(columns: torch.Tensor) -> object:
        copied.append(len(columns))
        return original(columns)

    steps = new_steps(slots=4, graphs=graphs)
    for voice in range(3):
        begin(steps, voice, Mode.PAIR, seed=2)
    monkeypatch.setattr(graphs_module, "to_host", counted)
    steps.step([0, 1, 2])
    assert copied == [8 if graphs else 6]
