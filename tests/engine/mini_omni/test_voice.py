"""The voice: whole utterances, early or not; slots that come and go; frames out of order.

The network is a reduced one with random weights; where only the bookkeeping is at stake, a codec
of arithmetic takes its place, which marks whatever must not be heard as NaN.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voiceserver.engine.family import Samples
from voiceserver.engine.mini_omni.codec import Codes, GraphCodec
from voiceserver.engine.mini_omni.graphs import without_capture
from voiceserver.engine.mini_omni.voice import HELD_SAMPLES, LAYERS, TAKE_OVER_FRAMES, SnacVoice
from voiceserver.errors import AssetError
from voiceserver.nn.snac import Snac, SnacConfig
from voiceserver.nn.snac.streaming import split_codes

CONFIG = SnacConfig(24_000, 16, (8, 8, 4, 2), 8, (4, 2, 1))
FRAME = SnacVoice.frame_samples
DELAY = CONFIG.delay_samples
SLOTS = 3


@pytest.fixture(scope="module")
def snac() -> Snac:
    torch.set_num_threads(1)
    return Snac.random(CONFIG)


def random_frames(count: int, seed: int) -> NDArray[np.int64]:
    """[count, 7], by layer"""
    return np.random.default_rng(seed).integers(0, CONFIG.codebook_size, (count, 7))


def speak(voice: SnacVoice, slot: int, frames: Codes, seed: int = 1) -> list[Samples]:
    """One utterance alone: what each call returned."""
    voice.start(slot, seed)
    pieces = [voice.decode({slot: frame})[slot] for frame in frames]
    while not voice.flushed(slot):
        assert len(pieces) < len(frames) + 4, "the flush does not end"
        pieces.append(voice.decode({slot: None})[slot])
    return pieces


def whole(snac: Snac, frames: Codes, seed: int = 1, first_frame: int = 0) -> Samples:
    """All frames decoded at once, by the table of how layers make up the codebooks."""
    books: tuple[list[int], ...] = ([], [], [])
    for l0, l1, l2, l3, l4, l5, l6 in frames.tolist():
        books[0].append(l0)
        books[1].extend((l1, l4))
        books[2].extend((l2, l3, l5, l6))
    codes = [torch.tensor([book]) for book in books]
    first = torch.tensor([first_frame * CONFIG.frame_latents])
    return snac.decode(codes, torch.tensor([seed]), first)[0].numpy()


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_without_an_early_start_it_is_the_whole_decode(snac: Snac, count: int) -> None:
    frames = random_frames(count, count)
    pieces = speak(SnacVoice(snac, 1, early=False), 0, frames)
    sizes = [len(piece) for piece in pieces]
    assert sizes[: min(2, count)] == [0] * min(2, count)
    assert sizes[2] == (min(3, count) * FRAME - DELAY if count > 2 else max(0, 3 * FRAME - DELAY))
    np.testing.assert_allclose(np.concatenate(pieces), whole(snac, frames), atol=1e-5)


@pytest.mark.parametrize("early_frames", [1, 3])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_from_the_take_over_on_it_is_exact(snac: Snac, count: int, early_frames: int) -> None:
    frames = random_frames(count, count)
    voice = SnacVoice(snac, 1, early_frames=early_frames)
    pieces = speak(voice, 0, frames)
    assert len(pieces[0]) == FRAME - HELD_SAMPLES, "heard after the first frame"
    sizes = [len(piece) for piece in pieces]
    waiting = min(count, early_frames) + TAKE_OVER_FRAMES - 1
    assert sizes[waiting - 1] == 0 < sizes[waiting], "it takes over when it is past what was heard"
    sound, exact = np.concatenate(pieces), whole(snac, frames)
    assert len(sound) == count * FRAME
    early = min(count, early_frames) * FRAME
    np.testing.assert_allclose(sound[early:], exact[early:], atol=1e-5)
    first = whole(snac, frames[:1])
    np.testing.assert_allclose(pieces[0], first[: len(pieces[0])], atol=1e-5)
    assert count == 1 or np.abs(sound - exact).max() > 1e-3, "nothing was early"
    roughest = np.abs(np.diff(exact, 2)).max()
    assert np.abs(np.diff(sound, 2)).max() < 1.5 * roughest, "a joint clicks"


def test_an_early_frame_is_decoded_with_the_one_before_it(snac: Snac) -> None:
    """With the noise of its place in the utterance."""
    frames = random_frames(3, 7)
    voice = SnacVoice(snac, 1, early_frames=3)
    voice.start(0, 1)
    sound = np.concatenate([voice.decode({0: frame})[0] for frame in frames])
    window = whole(snac, frames[1:], first_frame=1)
    np.testing.assert_allclose(sound[2 * FRAME :], window[FRAME:-HELD_SAMPLES], atol=1e-5)


def test_others_change_nothing(snac: Snac) -> None:
    """Others begin, speak, end badly and are stopped meanwhile."""
    frames, others = random_frames(6, 0), random_frames(9, 1)
    alone = np.concatenate(speak(SnacVoice(snac, SLOTS), 1, frames))
    voice = SnacVoice(snac, SLOTS)
    voice.start(0, 4)
    voice.decode({0: others[0]})
    voice.start(1, 1)
    pieces = [voice.decode({1: frames[0], 0: others[1]})[1]]
    voice.start(2, 1)
    pieces.append(voice.decode({2: others[2], 1: frames[1]})[1])
    voice.stop(0)
    pieces.append(voice.decode({1: frames[2], 2: np.full(7, 4097)})[1])
    pieces += [voice.decode({1: frame, 2: None})[1] for frame in frames[3:]]
    voice.start(2, 3)
    pieces += [voice.decode({2: others[k], 1: None})[1] for k in range(3)]
    assert voice.flushed(1)
    # Products of more rows may round otherwise; that is all.
    np.testing.assert_allclose(np.concatenate(pieces), alone, rtol=0, atol=1e-6)


def test_a_slot_used_before_sounds_like_a_new_one(snac: Snac) -> None:
    frames = random_frames(4, 2)
    new = np.concatenate(speak(SnacVoice(snac, 1), 0, frames))
    voice = SnacVoice(snac, 1)
    voice.start(0, 8)
    for frame in random_frames(5, 3):
        voice.decode({0: frame})
    assert np.array_equal(np.concatenate(speak(voice, 0, frames)), new)
    voice.stop(0)
    assert np.array_equal(np.concatenate(speak(voice, 0, frames)), new)
    assert not np.allclose(np.concatenate(speak(voice, 0, frames, seed=2)), new, atol=1e-3)


def test_all_slots_in_one_replay_sound_the_same(snac: Snac) -> None:
    frames = random_frames(5, 4)
    expected = np.concatenate(speak(SnacVoice(snac, 1), 0, frames))
    voice = SnacVoice(snac, SLOTS, runner=GraphCodec(snac, SLOTS, without_capture))
    for slot in range(SLOTS):
        voice.start(slot, 1)
    pieces = [voice.decode(dict.fromkeys(range(SLOTS), frame)) for frame in frames]
    pieces += [voice.decode(dict.fromkeys(range(SLOTS))) for _ in range(3)]
    for slot in range(SLOTS):
        assert voice.flushed(slot)
        made = np.concatenate([piece[slot] for piece in pieces])
        np.testing.assert_allclose(made, expected, atol=1e-5)


def test_bad_frames_are_counted_and_the_rest_stays(snac: Snac) -> None:
    frames = random_frames(12, 5)
    broken = frames.copy()
    broken[4, 2] = 4096
    voice = SnacVoice(snac, 1, early=False)
    sound = np.concatenate(speak(voice, 0, broken))
    assert voice.concealed_frames == 1
    exact = whole(snac, frames)
    before, after = 4 * FRAME - DELAY, 5 * FRAME + DELAY
    np.testing.assert_allclose(sound[:before], exact[:before], atol=1e-5)
    np.testing.assert_allclose(sound[after:], exact[after:], atol=1e-5)
    assert np.abs(sound - exact)[before:after].max() > 0.01


def test_a_codec_of_another_kind_is_refused() -> None:
    with pytest.raises(AssetError, match="24 kHz"):
        SnacVoice(Snac.random(SnacConfig(24_000, 16, (8, 8, 4, 4), 8, (4, 2, 1))), 1)


def test_layers_are_the_table_read_in_time() -> None:
    """Section 2.6 of the facts: the columns of cb0, cb1 and cb2."""
    frame = torch.arange(7)[list(LAYERS)].view(1, 1, 7)
    books = [part[0].tolist() for part in split_codes(frame, CONFIG.codes_per_frame)]
    assert books == [[0], [1, 4], [2, 3, 5, 6]]


class Arithmetic:
    """A codec whose sample t of a frame is (code + t / FRAME); windows are off by a half."""

    def __init__(self, slots: int) -> None:
        self.frames: list[list[int]] = [[] for _ in range(slots)]
        self.steps = [0] * slots
        self.ends: list[int | None] = [None] * slots

    def reset(self, slot: int, seed: int) -> None:
        self.frames[slot], self.steps[slot], self.ends[slot] = [], 0, None

    def finish(self, slot: int, frames: int) -> None:
        self.ends[slot] = frames

    def step(self, codes: Mapping[int, Codes]) -> dict[int, Samples]:
        return {slot: self._step(slot, frames) for slot, frames in codes.items()}

    def _step(self, slot: int, frames: Codes) -> Samples:
        self.frames[slot] += frames[:, 0].tolist()
        start = self.steps[slot] * FRAME - DELAY
        self.steps[slot] += len(frames)
        end = self.ends[slot]
        known = ramps(self.frames[slot][:end])
        times = np.arange(start, start + len(frames) * FRAME)
        inside = (times >= 0) & (times < len(known))
        samples = np.full(len(times), np.nan, np.float32)
        samples[inside] = known[times[inside]]
        return samples

    def window(
        self, codes: Mapping[int, Codes], first_frames: Mapping[int, int]
    ) -> dict[int, Samples]:
        return {slot: ramps(frames[:, 0]) + np.float32(0.5) for slot, frames in codes.items()}


def ramps(codes: Sequence[int] | Codes) -> Samples:
    ramp = np.arange(FRAME, dtype=np.float32) / FRAME
    return np.concatenate([np.zeros(0, np.float32), *(code + ramp for code in codes)])


# What slots are told at one moment: begin, stop, say a frame, or say that there is no more.
moments = st.lists(
    st.dictionaries(st.integers(0, SLOTS - 1), st.sampled_from("bs........fff")), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(moments=moments, early_frames=st.integers(0, 4))
def test_any_order_of_calls(moments: list[dict[int, str]], early_frames: int) -> None:
    runner = Arithmetic(SLOTS)
    voice = SnacVoice(Snac.random(CONFIG), SLOTS, early_frames=early_frames, runner=runner)
    said: dict[int, list[int]] = {}
    heard: dict[int, list[Samples]] = {}
    finished: set[int] = set()
    for number, orders in enumerate(moments):
        now: dict[int, Codes | None] = {}
        for slot, order in orders.items():
            if order == "b" or slot not in said:
                voice.start(slot, number)
                said[slot], heard[slot] = [], []
                finished.discard(slot)
            elif order == "s":
                voice.stop(slot)
                assert voice.flushed(slot)
                del said[slot]
            elif order == "." and slot not in finished:
                said[slot].append(number)
                now[slot] = np.full(7, number)
            else:
                finished.add(slot)
                now[slot] = None
        for slot, samples in voice.decode(now).items():
            heard[slot].append(samples)
    for slot, codes in said.items():
        for _ in range(CONFIG.flush_frames):
            heard[slot].append(voice.decode({slot: None})[slot])
        assert voice.flushed(slot)
        sound, exact = np.concatenate(heard[slot]), ramps(codes)
        assert len(sound) == len(codes) * FRAME
        early = min(early_frames, len(codes)) * FRAME
        assert np.array_equal(sound[early:], exact[early:])
        wrong = sound[:early] - exact[:early]
        assert np.all((wrong >= -1e-3) & (wrong <= 0.501))
