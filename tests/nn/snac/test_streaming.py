"""The stream equals the whole to 1e-12 in float64: products of other sizes round otherwise."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from voiceserver import kernels
from voiceserver.nn.snac import SNAC_24KHZ, Snac, SnacState, StreamingDecoder
from voiceserver.nn.snac.config import config_from
from voiceserver.nn.snac.plan import Layout
from voiceserver.nn.snac.streaming import split_codes

from .oracle import CONFIGS, REDUCED, random_codes

CONFIG = config_from(REDUCED)
SNAC = Snac.random(CONFIG, dtype=torch.float64)
DECODER = StreamingDecoder(SNAC)
EXACT = 1e-12


def whole_of(snac: Snac, codes: Tensor, seed: int) -> Tensor:
    """codes: [frames, frame_codes] -> samples [n]"""
    parts = split_codes(codes[None], snac.config.codes_per_frame)
    return snac.decode(parts, torch.tensor([seed]))[0]


def silence(config: Any, batch: int, frames: int) -> Tensor:
    return torch.zeros(batch, frames, config.frame_codes, dtype=torch.int64)


def streamed(snac: Snac, codes: Tensor, chunks: Sequence[int], seed: int) -> Tensor:
    """One utterance in steps of these sizes, flushed; codes: [frames, frame_codes]"""
    config, decoder, state = snac.config, StreamingDecoder(snac), SnacState(snac, 1)
    state.reset(0, seed)
    pieces = [decoder.step(chunk[None], state) for chunk in codes.split(list(chunks))]
    state.finish(0, len(codes) * config.frame_latents)
    pieces.append(decoder.step(silence(config, 1, config.flush_frames), state))
    samples = torch.cat(pieces, 1)[0, config.delay_samples :]
    return samples[: len(codes) * config.frame_samples]


@pytest.mark.parametrize("content", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("chunks", [[1] * 7, [7], [3, 4], [1, 2, 4]], ids=str)
def test_pieces_equal_the_whole(content: dict[str, Any], chunks: list[int]) -> None:
    snac = Snac.random(config_from(content), dtype=torch.float64)
    codes = random_codes(snac.config, 1, 7)[0]
    made, expected = streamed(snac, codes, chunks, 3), whole_of(snac, codes, 3)
    assert expected.std() > 0.01
    torch.testing.assert_close(made, expected, rtol=0, atol=EXACT)


def test_a_stream_of_full_size_equals_the_whole() -> None:
    snac = Snac.random(SNAC_24KHZ, dtype=torch.float64)
    codes = random_codes(SNAC_24KHZ, 1, 3)[0]
    made, expected = streamed(snac, codes, [1, 2], 1), whole_of(snac, codes, 1)
    torch.testing.assert_close(made, expected, rtol=0, atol=EXACT)
    assert SnacState(snac, 1).slot_bytes / 2 < 330_000  # in float32


TINY = Snac.random(config_from(REDUCED | {"decoder_rates": [4, 2]}), dtype=torch.float64)
utterances = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 5)),  # frames, step at which it begins
    min_size=1,
    max_size=4,
)


@settings(max_examples=20, deadline=None)
@given(utterances=utterances, sizes=st.lists(st.integers(1, 3), min_size=1), seed=st.integers(0, 9))
def test_streams_in_one_batch_are_as_if_alone(
    utterances: list[tuple[int, int]], sizes: list[int], seed: int
) -> None:
    """Any lengths and beginnings; a step takes several frames, of an ending stream too many."""
    config, decoder = TINY.config, StreamingDecoder(TINY)
    state = SnacState(TINY, len(utterances) + 1)
    codes = [random_codes(config, 1, n, seed + i)[0] for i, (n, _) in enumerate(utterances)]
    heard: list[list[Tensor]] = [[] for _ in utterances]
    taken, moment = [0] * len(utterances), -1
    while going := [i for i, n in enumerate(taken) if n < len(codes[i]) + config.flush_frames]:
        moment += 1
        slots = [i for i in going if utterances[i][1] <= moment]
        if not slots:
            continue
        batch = silence(config, len(slots), sizes[moment % len(sizes)])
        for row, i in enumerate(slots):
            if taken[i] == 0:
                state.reset(i, seed + i)
            mine = codes[i][taken[i] : taken[i] + batch.shape[1]]
            batch[row, : len(mine)] = mine
            taken[i] += batch.shape[1]
            if taken[i] > len(codes[i]):
                state.finish(i, len(codes[i]) * config.frame_latents)
        samples = decoder.step(batch, state, torch.tensor(slots))
        for row, i in enumerate(slots):
            heard[i].append(samples[row])
    for i, mine in enumerate(codes):
        made = torch.cat(heard[i])[config.delay_samples :][: len(mine) * config.frame_samples]
        expected = whole_of(TINY, mine, seed + i) if len(mine) else made[:0]
        torch.testing.assert_close(made, expected, rtol=0, atol=EXACT)
    assert not any(line[-1].any() for line in state.lines), "a slot nobody used was written"


def test_a_reset_slot_remembers_nothing() -> None:
    state, fresh = SnacState(SNAC, 2), SnacState(SNAC, 2)
    DECODER.step(random_codes(CONFIG, 2, 3, 1), state)
    state.finish(0, 8)
    state.reset(0, 5)
    fresh.reset(0, 5)
    codes, slot = random_codes(CONFIG, 1, 1, 2), torch.tensor([0])
    for _ in range(4):
        assert torch.equal(DECODER.step(codes, state, slot), DECODER.step(codes, fresh, slot))


def test_inside_an_utterance_masks_change_nothing() -> None:
    masked, unmasked = SnacState(SNAC, 1), SnacState(SNAC, 1)
    codes = random_codes(CONFIG, 1, 9)
    unmasked_steps = 0
    for frame in range(9):
        inside = DECODER.inside(frame * CONFIG.frame_latents, None)
        unmasked_steps += inside
        expected = DECODER.step(codes[:, frame : frame + 1], masked)
        assert torch.equal(
            DECODER.step(codes[:, frame : frame + 1], unmasked, inside=inside), expected
        )
    assert unmasked_steps >= 5
    assert not DECODER.inside(36, 36)
    too_early = (Layout.of(CONFIG, 4).warm_latents // 4 - 1) * 4
    assert not DECODER.inside(too_early, None)


def test_a_slot_alone_is_a_view_of_the_state() -> None:
    state, other = SnacState(SNAC, 3), SnacState(SNAC, 3)
    codes = random_codes(CONFIG, 1, 1)
    for _ in range(2):
        alone = DECODER.step(codes, state.rows(1))
        assert torch.equal(alone, DECODER.step(codes, other, torch.tensor([1])))
    assert state.latents.tolist() == [0, 8, 0]


def test_a_step_reads_nothing_on_the_host() -> None:
    """Tensors without data cannot be read: a step that runs on them can be captured in a graph."""
    snac = Snac.random(CONFIG, device="meta")
    state, decoder = SnacState(snac, 3), StreamingDecoder(snac)
    codes = torch.zeros(2, 1, CONFIG.frame_codes, dtype=torch.int64, device="meta")
    slots = torch.zeros(2, dtype=torch.int64, device="meta")
    assert decoder.step(codes, state, slots).shape == (2, CONFIG.frame_samples)
    parts = split_codes(codes, CONFIG.codes_per_frame)
    assert snac.decode(parts, slots, slots).shape == (2, CONFIG.frame_samples)


def test_a_stream_of_triton_kernels_is_the_same() -> None:
    """On a GPU, or in the interpreter."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = config_from(REDUCED | {"decoder_dim": 8, "decoder_rates": [2], "vq_strides": [2, 1]})
    snac = Snac.random(config, device=device)
    decoder = StreamingDecoder(snac)
    codes, heard = random_codes(config, 2, 3).to(device), {}
    for ops in ("torch", "triton"):
        state = SnacState(snac, 2)
        with kernels.forced(ops):
            heard[ops] = [decoder.step(frame, state) for frame in codes.split(1, 1)]
    for made, expected in zip(heard["triton"], heard["torch"], strict=True):
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)


def test_a_frame_is_heard_within_the_delay_and_not_beyond() -> None:
    """The delay is as long as it must be and no longer."""
    codes = random_codes(CONFIG, 1, 9)[0]
    changed = codes.clone()
    changed[4] = (changed[4] + 1) % CONFIG.codebook_size
    heard = (whole_of(SNAC, codes, 0) != whole_of(SNAC, changed, 0)).nonzero().flatten()
    frame, delay = CONFIG.frame_samples, CONFIG.delay_samples
    # The outermost samples change by too little to be seen in every draw of weights.
    assert 4 * frame - delay <= int(heard[0]) < 4 * frame - delay + 8
    assert 5 * frame + delay - 8 <= int(heard[-1]) < 5 * frame + delay
