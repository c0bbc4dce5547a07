from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from voiceserver.engine.family import Samples
from voiceserver.engine.sync_llm.speech import FADE_SAMPLES, ChunkTokenizer, ChunkVocoder
from voiceserver.nn.sync_llm.chunks import UNIT_SAMPLES

COUNT = 4
CHUNK = COUNT * UNIT_SAMPLES


class Loudness:
    """A tokenizer whose unit is the loudness of its 40 ms."""

    units = 10

    def __call__(self, windows: Tensor) -> Tensor:
        peaks = windows.view(len(windows), -1, UNIT_SAMPLES).amax(-1)
        return (10 * peaks).long().clamp(0, 9)


class Blur:
    """A vocoder whose sample is the mean of the units around it, REACH to each side."""

    reach = 2

    def __call__(self, units: Tensor) -> Tensor:
        flat = units.float().repeat_interleave(UNIT_SAMPLES, 1)
        width = 2 * self.reach * UNIT_SAMPLES + 1
        padded = torch.nn.functional.pad(flat[:, None], (width // 2, width // 2), mode="replicate")
        return torch.nn.functional.avg_pool1d(padded, width, 1)[:, 0]


def test_the_newest_chunks_units() -> None:
    tokenizer = ChunkTokenizer(Loudness(), COUNT)
    assert tokenizer.silence == 0
    window = np.zeros(tokenizer.context_samples + CHUNK, np.float32)
    window[-CHUNK:] = np.repeat([0.15, 0.35, 0.35, 0.95], UNIT_SAMPLES)
    assert tokenizer([window, window * 0.5]) == [(1, 3, 3, 9), (0, 1, 1, 4)]
    with pytest.raises(AssertionError):
        tokenizer([window[1:]])


def spoken(chunks: list[tuple[int, ...]], slots: tuple[int, ...] = (0,)) -> Samples:
    vocoder = ChunkVocoder(Blur(), COUNT)
    for slot in slots:
        vocoder.open(slot, silence=0)
    return np.concatenate([vocoder(dict.fromkeys(slots, chunk))[slots[0]] for chunk in chunks])


def whole(chunks: list[tuple[int, ...]]) -> Samples:
    units = [0] * Blur.reach + [unit for chunk in chunks for unit in chunk]
    units += [units[-1]] * Blur.reach
    sound = Blur()(torch.tensor([units]))[0].numpy()
    return sound[Blur.reach * UNIT_SAMPLES : -Blur.reach * UNIT_SAMPLES]


def test_where_a_chunk_only_goes_on_it_is_as_if_made_whole() -> None:
    chunks = [(5, 5, 5, 5)] * 4
    np.testing.assert_allclose(spoken(chunks), whole(chunks), atol=1e-5)


def test_only_what_depends_on_the_next_chunk_differs() -> None:
    chunks = [(1, 2, 3, 4), (9, 8, 7, 6), (6, 1, 1, 1)]
    live, all_at_once = spoken(chunks), whole(chunks)
    differs = np.abs(live - all_at_once) > 1e-4
    for border in (CHUNK, 2 * CHUNK):
        known = slice(border - CHUNK + FADE_SAMPLES, border - Blur.reach * UNIT_SAMPLES)
        assert not differs[known].any()
    assert differs.any()  # the price of not waiting for it


def test_chunks_join_without_a_jump() -> None:
    chunks = [(1, 1, 1, 1), (9, 9, 9, 9)]
    live = spoken(chunks)
    steps = np.abs(np.diff(live))
    assert steps[CHUNK - 1] < 0.01  # hard cut: what the blur makes of the step from 1 to 9
    cut = abs(float(whole(chunks)[CHUNK]) - 1.0)
    assert cut > 0.5


def test_slots_do_not_mix() -> None:
    chunks = [(1, 2, 3, 4), (9, 8, 7, 6)]
    np.testing.assert_array_equal(spoken(chunks), spoken(chunks, (0, 3)))
