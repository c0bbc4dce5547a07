"""The talker: step by step equals all at once, and nothing leaks from the future."""

import pytest
import torch

from voiceserver.nn.codec import FRAME_LATENTS, CodecShape
from voiceserver.nn.cues import AFTER_END, after_end, cue_track
from voiceserver.nn.pronunciation_encoder import (
    REACH,
    PronunciationEncoder,
    log_duration,
    whole_latents,
    with_outside,
)
from voiceserver.nn.streaming import Tape, zero_contexts
from voiceserver.nn.talker import Talker, TalkerShape

CODEC = CodecShape()
SHAPE = TalkerShape(CODEC, width=32, layers=2, window_frames=6, phoneme_width=16, cue_width=8)


@pytest.fixture(scope="module")
def talker() -> Talker:
    torch.manual_seed(0)
    return Talker(SHAPE).double().eval()


@pytest.mark.parametrize("piece", [1, 4, 20])
def test_steps_equal_the_whole(talker: Talker, piece: int) -> None:
    cues = torch.randn(2, 20, SHAPE.width).double()
    previous = torch.randint(0, CODEC.levels + 1, (2, 20, CODEC.dims))
    shapes = talker.context_shapes()
    whole, _ = talker(cues, previous, Tape(zero_contexts(shapes, 2, torch.float64)))
    contexts = zero_contexts(shapes, 2, torch.float64)
    parts = []
    for some_cues, some in zip(cues.split(piece, 1), previous.split(piece, 1), strict=True):
        tape = Tape(contexts)
        parts.append(talker(some_cues, some, tape)[0])
        contexts = tape.renewed
    assert torch.allclose(torch.cat(parts, 1), whole, rtol=0, atol=1e-10)


def test_a_step_sees_its_window_only(talker: Talker) -> None:
    cues = torch.randn(1, 12, SHAPE.width).double().requires_grad_()
    previous = torch.full((1, 12, CODEC.dims), SHAPE.no_digit)
    contexts = zero_contexts(talker.context_shapes(), 1, torch.float64)
    talker(cues, previous, Tape(contexts))[0][0, 5].sum().backward()
    assert cues.grad is not None
    seen = cues.grad[0].abs().sum(-1) > 0
    assert seen[:6].all()
    assert not seen[6:].any()


def test_the_encoder_reaches_no_further_than_it_says() -> None:
    torch.manual_seed(0)
    encoder = PronunciationEncoder(16).double()
    symbols = torch.randint(1, 100, (1, 40))
    whole, log_latents = encoder(with_outside(symbols))
    assert whole.shape == (1, 40, 16)
    assert log_latents.shape == (1, 40, 2)
    window, _ = encoder(symbols[:, 20 - REACH : 20 + REACH + 1])
    assert torch.allclose(window[0, 0], whole[0, 20], atol=1e-12)


def test_durations_come_back() -> None:
    latents = torch.arange(1, 40)
    assert torch.equal(whole_latents(log_duration(latents)), latents)


def test_cues_count_into_and_out_of_each_part() -> None:
    durations = torch.tensor([[2, 1], [1, 0], [1, 3]]).numpy()
    track = cue_track(durations, first_symbol=5)
    assert track.symbol.tolist() == [5, 5, 5, 6, 7, 7, 7, 7]
    assert track.part.tolist() == [0, 0, 1, 0, 0, 1, 1, 1]
    assert track.offset.tolist() == [0, 1, 0, 0, 0, 0, 1, 2]
    assert track.remaining.tolist() == [1, 0, 0, 0, 0, 2, 1, 0]


def test_after_the_end_cues_are_nothing(talker: Talker) -> None:
    track = after_end(2 * FRAME_LATENTS)
    assert set(track.symbol.tolist()) == {AFTER_END}
    encodings = torch.randn(1, 3, SHAPE.phoneme_width).double()
    cues = talker.cues.per_latent(encodings, torch.from_numpy(track.stacked())[None])
    assert not cues.any()


def test_heads_are_late_by_their_delay() -> None:
    delays = TalkerShape(CODEC, delays=(0, 1, 1, 2, 2, 2, 2, 3)).digit_delays()
    assert delays == [0] * 4 + [1] * 8 + [2] * 16 + [3] * 4
