"""The text decoder against the original with random weights, and drafts of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.model import Whisper

from voiceserver.errors import AssetError
from voiceserver.nn.linear import rounded
from voiceserver.nn.whisper.ctranslate2_file import Suppressed
from voiceserver.nn.whisper.decoder import WhisperDecoder, Written
from voiceserver.nn.whisper.decoder_weights import decoder_of
from voiceserver.nn.whisper.greedy import GreedyDecoder, Signs

HERE = Path("random")
TOKENS = (1, 7, 3, 60, 12)
SIGNS = Signs((0, 1), end=2, no_speech=3, suppressed=Suppressed((4, 5), (6, 2)))
SILENT = 30


def states(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 48, generator=torch.Generator().manual_seed(seed)) * 3


@pytest.fixture(scope="module")
def decoder(checkpoint: dict[str, Any]) -> WhisperDecoder:
    return decoder_of(HERE, checkpoint)


@pytest.fixture(scope="module")
def greedy(checkpoint: dict[str, Any]) -> GreedyDecoder:
    return GreedyDecoder(decoder_of(HERE, checkpoint, rounded), SIGNS, states(1500).numpy())


@pytest.mark.parametrize("cuts", [(), (1,), (2, 4), (1, 2, 3, 4)])
def test_equals_the_original_however_tokens_come(
    decoder: WhisperDecoder, original: Whisper, cuts: tuple[int, ...]
) -> None:
    said = states(40)
    with torch.no_grad():
        theirs = original.decoder(torch.tensor([TOKENS]), said[None])[0]
    written, memory = Written(decoder.config, 5), decoder.memory(said)
    edges = (0, *cuts, len(TOKENS))
    pieces = [TOKENS[begin:end] for begin, end in pairwise(edges)]
    ours = torch.cat([decoder.extend(written, piece, memory) for piece in pieces])
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_what_was_shortened_leaves_no_trace(decoder: WhisperDecoder) -> None:
    written, memory = Written(decoder.config, 8), decoder.memory(states(9))
    decoder.extend(written, TOKENS[:2], memory)
    once = decoder.extend(written, TOKENS[2:], memory)
    written.shorten(2)
    decoder.extend(written, (9, 8, 7), memory)
    written.shorten(2)
    torch.testing.assert_close(decoder.extend(written, TOKENS[2:], memory), once)


def test_states_may_follow_computed_ones(decoder: WhisperDecoder) -> None:
    whole = decoder.memory(states(20))
    joined = decoder.memory(states(20)[:12]).followed_by(whole, 12, 17)
    logits = [
        decoder.extend(Written(decoder.config, 5), TOKENS, memory)
        for memory in (joined, decoder.memory(states(20)[:17]))
    ]
    torch.testing.assert_close(*logits)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 5),
    longest=st.integers(1, 20),
    own=st.integers(0, 20),
    rest=st.lists(st.integers(0, 63), max_size=8),
)
def test_a_draft_changes_nothing(
    greedy: GreedyDecoder, seed: int, longest: int, own: int, rest: list[int]
) -> None:
    """Be it right so far, wrong from the start, too short or too long."""
    said = states(25, seed).numpy()
    alone = greedy.read(said, SILENT, longest)
    draft = (*alone.tokens[:own], *rest)
    helped = greedy.read(said, SILENT, longest, draft)
    assert helped.tokens == alone.tokens
    assert helped.log_probability == pytest.approx(alone.log_probability, abs=1e-3)
    assert helped.no_speech_probability == pytest.approx(alone.no_speech_probability, rel=1e-3)
    assert helped.passes <= alone.passes


def test_a_right_draft_takes_one_pass(greedy: GreedyDecoder) -> None:
    said = states(25).numpy()
    alone = greedy.read(said, SILENT, 20)
    assert alone.passes > 1
    assert greedy.read(said, SILENT, 20, alone.tokens).passes == 1


def test_a_draft_with_one_token_wrong_is_of_use_to_its_end(greedy: GreedyDecoder) -> None:
    said = states(25).numpy()
    alone = greedy.read(said, SILENT, 20)
    once = (i for i, token in enumerate(alone.tokens[:-4]) if token not in alone.tokens[i + 1 :])
    place = next(once)
    before, here, after = alone.tokens[:place], alone.tokens[place], alone.tokens[place + 1 :]
    wrong = (here + 1) % 64
    instead = greedy.read(said, SILENT, 20, (*before, wrong, *after))
    besides = greedy.read(said, SILENT, 20, (*before, wrong, here, *after))
    assert instead.tokens == besides.tokens == alone.tokens
    assert instead.passes == 2
    assert besides.passes <= 3  # a draft is cut to what may be written


def test_no_more_than_allowed_is_written_and_nothing_suppressed(greedy: GreedyDecoder) -> None:
    lengths = set()
    for seed in range(6):
        tokens = greedy.read(states(25, seed).numpy(), SILENT, 4).tokens
        assert tokens
        assert tokens[0] not in (6, 2)
        assert not {2, 4, 5} & set(tokens)
        lengths.add(len(tokens))
    assert max(lengths) == 4


def test_a_checkpoint_without_a_decoder_is_refused(checkpoint: dict[str, Any]) -> None:
    with pytest.raises(AssetError, match="n_vocab"):
        decoder_of(HERE, {"dims": {}, "model_state_dict": {}})
    state = {k: v for k, v in checkpoint["model_state_dict"].items() if "mlp.0" not in k}
    with pytest.raises(AssetError, match=r"missing: decoder\.blocks\.0\.mlp\.0\.weight"):
        decoder_of(HERE, {**checkpoint, "model_state_dict": state})
