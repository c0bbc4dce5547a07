from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from voiceserver.nn.whisper import LiveEncoder, WhisperEncoder
from voiceserver.nn.whisper.live import AHEAD, BLOCK, FIRST

from .conftest import noise

ROOM_SAMPLES = 140 * 320  # what the short encoder hears


@pytest.fixture(scope="session")
def live(short_encoder: WhisperEncoder) -> LiveEncoder:
    """Shared by all tests: what one leaves in the slots must not matter to another."""
    return LiveEncoder(short_encoder, slots=6)


def spoken(live: LiveEncoder, slot: int, clip: np.ndarray, pieces: Iterable[int]) -> Tensor:
    """All features of a clip heard in pieces of these sizes, the last one repeated."""
    live.start(slot)
    found, position = [], 0
    sizes = list(pieces)
    for size in itertools.chain(sizes, itertools.repeat(sizes[-1])):
        live.hear(slot, clip[position : position + size])
        position += size
        settled = live.step().get(slot)
        if settled is not None:
            found.append(settled)
        if position >= len(clip):
            break
    found.append(live.finish(slot))
    live.stop(slot)
    return torch.cat(found)


def near(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


@settings(max_examples=15, deadline=None)
@given(
    samples=st.integers(0, ROOM_SAMPLES + 3000),
    pieces=st.lists(st.integers(1, 20_000), min_size=1, max_size=8),
)
def test_pieces_do_not_matter_and_the_count_is_the_references(
    live: LiveEncoder, samples: int, pieces: list[int]
) -> None:
    clip = noise(samples, seed=samples)
    pieces[-1] = max(pieces[-1], 700)  # else a test may take thousands of steps
    whole = spoken(live, 0, clip, [len(clip) + 1])
    assert len(whole) == min(int(samples / 16_000 * 1000 / 20) + 1, 140)
    near(spoken(live, 1, clip, pieces), whole)


def test_the_beginning_of_a_full_window_is_the_whole_of_it(live: LiveEncoder) -> None:
    """Beyond what Whisper takes nothing more is heard."""
    clip = noise(ROOM_SAMPLES + 16_000)
    near(spoken(live, 0, clip, [4000]), spoken(live, 1, clip[:ROOM_SAMPLES], [4000]))
    live.start(0)
    live.hear(0, clip)
    features = sum(len(live.step()[0]) for _ in range(5))  # one block a step, the last one longer
    assert features == 140
    assert live.step() == {}


def test_settled_features_do_not_depend_on_what_follows(live: LiveEncoder) -> None:
    before = noise(26_000, seed=1)
    found = []
    for seed in (2, 3):
        live.start(0)
        live.hear(0, before)
        settled = live.step()[0]
        live.hear(0, 3.0 * noise(20_000, seed))
        found.append((settled, live.step()[0]))
    (first, second), (first_again, second_other) = found
    assert (len(first), len(second)) == (FIRST, BLOCK)
    assert first.equal(first_again)
    assert (second - second_other).abs().max() > 1e-3  # a hundred times what rounding does


def test_nothing_settles_before_all_it_sees_is_heard(live: LiveEncoder) -> None:
    needed = (FIRST + AHEAD) * 320 + 200
    live.start(0)
    live.hear(0, noise(needed - 1))
    assert live.step() == {}
    live.hear(0, noise(1))
    assert len(live.step()[0]) == FIRST
    live.hear(0, noise(BLOCK * 320 - 1))
    assert live.step() == {}
    live.hear(0, noise(1))
    assert len(live.step()[0]) == BLOCK
    assert live.step() == {}


def test_a_look_at_the_end_leaves_the_utterance_as_it_was(live: LiveEncoder) -> None:
    clip = noise(36_000, seed=4)
    undisturbed = spoken(live, 0, clip, [3000])
    live.start(1)
    found = []
    for position in range(0, len(clip), 3000):
        live.hear(1, clip[position : position + 3000])
        look = live.finish(1)
        near(live.finish(1), look)
        found.append(live.step().get(1, look[:0]))
        assert torch.allclose(look[: len(found[-1])], found[-1], atol=1e-5)
    near(torch.cat([*found, live.finish(1)]), undisturbed)


def test_the_end_may_lie_before_what_was_heard(live: LiveEncoder) -> None:
    clip = noise(30_000, seed=5)
    live.start(0)
    live.hear(0, clip)
    short, long = live.finish(0, 21_000), live.finish(0)
    near(short, spoken(live, 1, clip[:21_000], [21_000]))
    near(long, spoken(live, 1, clip, [30_000]))


def test_slots_do_not_hear_each_other(live: LiveEncoder) -> None:
    clips = [noise(samples, seed=samples) for samples in (40_000, 17_000, 25_000, 33_000, 9_000)]
    alone = [spoken(live, 5, clip, [2500]) for clip in clips]
    found: list[list[Tensor]] = [[] for _ in clips]
    for slot in range(len(clips)):
        live.start(slot)
    for position in range(0, 40_000, 2500):
        for slot, clip in enumerate(clips):
            live.hear(slot, clip[position : position + 2500])
        for slot, settled in live.step().items():
            found[slot].append(settled)
    for slot, expected in enumerate(alone):
        near(torch.cat([*found[slot], live.finish(slot)]), expected)
        live.stop(slot)


def test_a_slot_used_again_knows_nothing_of_before(live: LiveEncoder) -> None:
    clip = noise(30_000, seed=6)
    fresh = spoken(live, 3, clip, [3000])
    spoken(live, 3, np.full(44_800, np.nan, np.float32), [3000])  # the worst there is
    spoken(live, 3, 30.0 * noise(44_800, seed=7), [3000])
    near(spoken(live, 3, clip, [3000]), fresh)


def test_everybody_gets_a_turn_when_all_have_much_to_settle(live: LiveEncoder) -> None:
    for slot in range(6):
        live.start(slot)
        live.hear(slot, noise(44_800, seed=slot))
    served = [set(live.step()) for _ in range(3)]
    assert all(len(slots) == 4 for slots in served)  # bounded work
    assert set.union(*served[:2]) == set(range(6))
    for slot in range(6):
        live.stop(slot)


def test_seeing_all_of_the_clip_it_gives_the_exact_features(encoder: WhisperEncoder) -> None:
    """With nothing left out and real silence after the end, only the pieces are ours."""
    live = LiveEncoder(encoder, slots=1, first=1500, ahead=0)
    clip = np.zeros(480_000, np.float32)
    clip[:50_000] = noise(50_000)
    live.start(0)
    live.hear(0, clip)
    torch.testing.assert_close(live.step()[0], encoder.exact(clip), atol=1e-5, rtol=1e-5)
