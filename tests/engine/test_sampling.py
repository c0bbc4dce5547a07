from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.engine.sampling import TOP_P, Sampling, draw, nucleus, uniform


def logits(seed: int = 0, count: int = 500) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=3.0, size=count).astype(np.float32)


def test_zero_temperature_takes_the_likeliest() -> None:
    assert draw(logits(), Sampling(0.0, 1), step=0, written=[]) == int(logits().argmax())


def test_a_draw_depends_on_seed_and_step_alone() -> None:
    first = [draw(logits(), Sampling(1.0, 7), step, []) for step in range(50)]
    again = [draw(logits(), Sampling(1.0, 7), step, []) for step in reversed(range(50))]
    other = [draw(logits(), Sampling(1.0, 8), step, []) for step in range(50)]
    assert first == again[::-1]
    assert first != other
    assert len(set(first)) > 5


def test_what_was_written_becomes_less_likely() -> None:
    level = np.array([5.0, 4.8, -5.0], np.float32)
    assert draw(level.copy(), Sampling(0.0, 0), 1, []) == 0
    assert draw(level.copy(), Sampling(0.0, 0), 1, [0]) == 1


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_uniform_numbers_are_in_range(seed: int, step: int) -> None:
    assert 0.0 <= uniform(seed, step) < 1.0


def test_the_nucleus_is_the_fewest_tokens_that_hold_enough() -> None:
    level = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
    tokens, probability = nucleus(level)
    assert tokens.tolist() == [0, 1, 2]  # 0.8 is less than TOP_P, 0.95 is not
    assert TOP_P == 0.9
    assert probability.sum() == pytest.approx(1.0)


def test_draws_follow_the_probabilities() -> None:
    level = np.log(np.array([0.6, 0.3, 0.08, 0.02], np.float32))
    drawn = [draw(level.copy(), Sampling(1.0, seed), 0, []) for seed in range(2000)]
    share = np.bincount(drawn, minlength=4) / len(drawn)
    assert share[0] == pytest.approx(0.6 / 0.9, abs=0.05)
    assert share[3] == 0.0
