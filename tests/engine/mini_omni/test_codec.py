"""Both runners of the codec give the same samples, and slots do not meet."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from voiceserver.engine.mini_omni.codec import CodecRunner, Codes, EagerCodec, GraphCodec
from voiceserver.engine.mini_omni.graphs import without_capture
from voiceserver.nn.snac import Snac, SnacConfig
from voiceserver.nn.snac.streaming import split_codes

CONFIG = SnacConfig(24_000, 32, (4, 2), 12, (4, 2, 1), codebook_size=64)
SLOTS = 3


@pytest.fixture(scope="module")
def snac() -> Snac:
    torch.set_num_threads(1)
    return Snac.random(CONFIG)


def random_codes(frames: int, seed: int) -> Codes:
    return np.random.default_rng(seed).integers(0, CONFIG.codebook_size, (frames, 7))


# Which frames each slot decodes, step by step; slot 2 is reset on the way.
CALLS: list[dict[int, int]] = [{0: 1}, {0: 3, 2: 1}, {1: 2, 0: 1, 2: 1}, {2: 1}, {1: 1, 2: 2}]
RESET_BEFORE = 3


def sounds(runner: CodecRunner) -> Iterator[tuple[int, np.ndarray]]:
    for slot in range(SLOTS):
        runner.reset(slot, slot)
    for number, call in enumerate(CALLS):
        if number == RESET_BEFORE:
            runner.reset(2, 7)
            runner.finish(2, 2)
        codes = {slot: random_codes(frames, 10 * number + slot) for slot, frames in call.items()}
        yield from sorted(runner.step(codes).items())
        yield from sorted(runner.window(codes, dict.fromkeys(codes, number)).items())


def test_graphs_give_what_single_slots_give(snac: Snac) -> None:
    graphs = GraphCodec(snac, SLOTS, without_capture)
    graphs.capture_all(window_frames=1)
    pairs = list(zip(sounds(graphs), sounds(EagerCodec(snac, SLOTS)), strict=True))
    assert len(pairs) == 2 * sum(map(len, CALLS))
    for (slot, made), (same_slot, expected) in pairs:
        assert slot == same_slot
        np.testing.assert_allclose(made, expected, atol=1e-5)


def test_nothing_is_done_for_nobody(snac: Snac) -> None:
    for runner in (EagerCodec(snac, SLOTS), GraphCodec(snac, SLOTS, without_capture)):
        assert runner.step({}) == {}
        assert runner.window({}, {}) == {}


def test_a_window_is_a_whole_with_the_noise_of_its_place(snac: Snac) -> None:
    runner, codes = EagerCodec(snac, 1), random_codes(2, 0)
    runner.reset(0, 9)
    window = runner.window({0: codes}, {0: 5})[0]
    parts = split_codes(torch.from_numpy(codes)[None], CONFIG.codes_per_frame)
    expected = snac.decode(parts, torch.tensor([9]), torch.tensor([5 * CONFIG.frame_latents]))
    assert np.array_equal(window, expected[0].numpy())
    assert not np.allclose(runner.window({0: codes}, {0: 0})[0], window)


@pytest.mark.gpu
def test_captured_graphs_give_the_same() -> None:
    expected = list(sounds(EagerCodec(Snac.random(CONFIG), SLOTS)))
    on_gpu = Snac.random(CONFIG, device="cuda")
    graphs = GraphCodec(on_gpu, SLOTS)
    graphs.capture_all(window_frames=3)
    for runner in (graphs, EagerCodec(on_gpu, SLOTS)):
        for (slot, made), (same_slot, samples) in zip(sounds(runner), expected, strict=True):
            assert slot == same_slot
            np.testing.assert_allclose(made, samples, atol=1e-4)
