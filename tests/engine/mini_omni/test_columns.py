from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.columns import Features


def test_features_are_found_by_number_across_blocks() -> None:
    features = Features()
    first, second = features.add(torch.rand(5, 3)), features.add(torch.rand(4, 3))
    numbers = np.concatenate([first.numbers[2:], second.numbers[:3]])
    wanted = torch.cat([first.features[2:], second.features[:3]])
    assert torch.equal(features.gather(numbers), wanted)


def test_features_that_nobody_holds_are_forgotten() -> None:
    features = Features()
    numbers = features.add(torch.rand(5, 3)).numbers
    gc.collect()
    with pytest.raises(KeyError):
        features.gather(numbers)


@given(
    shared=st.lists(st.integers(0, 9), max_size=20),
    first=st.lists(st.integers(0, 9), max_size=5),
    second=st.lists(st.integers(0, 9), max_size=5),
)
def test_the_common_prefix_is_the_longest(
    shared: list[int], first: list[int], second: list[int]
) -> None:
    a, b = col.written(shared + first), col.written(shared + second)
    length = col.common_prefix(a, b)
    assert length >= len(shared)
    assert np.array_equal(a[:length], b[:length])
    assert length == min(len(a), len(b)) or not np.array_equal(a[length], b[length])
