from __future__ import annotations

import pytest
import torch
from torch import Tensor

from voiceserver.nn.mini_omni import prompts, vocabulary
from voiceserver.nn.mini_omni.errors import CacheFull, PromptError
from voiceserver.nn.mini_omni.network import MiniOmni, Segment
from voiceserver.nn.mini_omni.prompts import Task

from ...parity import drawn

FRAMES = 9


def prompt() -> Tensor:
    return prompts.spoken_prompt(Task.A1A2, FRAMES)


def features() -> Tensor:
    return drawn.features(1, FRAMES, drawn.config().whisper_dim)


def whole(int8: bool = False) -> Tensor:
    """What the heads take after each column of the prompt, read at once: [T, D]"""
    model = drawn.small_model(int8)
    return model.read(model.new_cache(1), [Segment(0, prompt(), features(), 1)])


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cuts", [[1], [4, 5], [10, 11]])
def test_a_prompt_in_pieces_equals_the_whole(cuts: list[int]) -> None:
    model, heard = drawn.small_model(), features()
    cache, ids = model.new_cache(1), prompt()
    pieces = []
    for begin, end in zip([0, *cuts], [*cuts, len(ids)], strict=True):
        first, last = max(begin, 1), min(end, FRAMES + 1)  # the columns of features
        part = heard[first - 1 : last - 1] if first < last else None
        pieces.append(model.read(cache, [Segment(0, ids[begin:end], part, first - begin)]))
    close(torch.cat(pieces), whole())


def test_one_position_at_a_time_equals_the_whole() -> None:
    model, ids = drawn.small_model(), prompts.typed_prompt(Task.T1T2, range(9))
    theirs = model.read(model.new_cache(1), [Segment(0, ids)])
    cache = model.new_cache(3)
    row = torch.tensor([2])
    ours = [
        model.decode(column[None], cache, row, torch.tensor([position]))
        for position, column in enumerate(ids)
    ]
    close(torch.cat(ours), theirs)


@pytest.mark.parametrize("int8", [False, True])
def test_rows_are_read_together_as_alone(int8: bool) -> None:
    model = drawn.small_model(int8)
    cache, typed = model.new_cache(3), prompts.typed_prompt(Task.T1T2, [1, 2])
    segments = [Segment(2, typed), Segment(0, prompt(), features(), 1), Segment(1, typed[:1])]
    hidden = model.read(cache, segments)
    assert cache.lengths.tolist() == [FRAMES + 3, 1, 5]
    close(hidden[5:-1], whole(int8))


def test_features_replace_the_audio_streams_only() -> None:
    model = drawn.small_model()
    ids = prompt()
    other_audio, other_text = ids.clone(), ids.clone()
    other_audio[3, :7], other_text[3, 7] = 5, 5
    read = [
        model.read(model.new_cache(1), [Segment(0, columns, features(), 1)])
        for columns in (ids, other_audio, other_text)
    ]
    assert torch.equal(read[0], read[1])
    assert not torch.equal(read[0][3], read[2][3])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(dtype: torch.dtype) -> None:
    model = MiniOmni(drawn.config(), drawn.small_state(), torch.device("cpu"), dtype)
    hidden = model.read(model.new_cache(1), [Segment(0, prompt(), features(), 1)])
    assert hidden.dtype == dtype
    torch.testing.assert_close(hidden.float(), whole(), rtol=0.02, atol=0.05)


def test_int8_is_near() -> None:
    model, rounded = drawn.small_model(), drawn.small_model(int8=True)
    exact, near = model.text_logits(whole()), rounded.text_logits(whole(int8=True))
    error = (near - exact).pow(2).mean().sqrt() / exact.pow(2).mean().sqrt()
    assert 0 < error < 0.2


def test_what_nobody_wrote_is_never_read() -> None:
    model = drawn.small_model()
    cache = model.new_cache(2)
    for store in (*cache.keys, *cache.values):
        store.fill_(torch.nan)
    hidden = model.read(cache, [Segment(1, prompt(), features(), 1)])
    assert torch.equal(hidden, whole())
    assert all(torch.isnan(keys[0]).all() for keys in cache.keys)


@pytest.mark.parametrize(
    ("column", "stream", "value"),
    [(0, 0, 4160), (2, 6, -1), (3, 7, 152_000), (1, 7, -1)],
)
def test_ids_outside_their_stream_are_refused(column: int, stream: int, value: int) -> None:
    model, ids = drawn.small_model(), prompt()
    ids[column, stream] = value
    cache = model.new_cache(1)
    with pytest.raises(PromptError, match="vocabulary"):
        model.read(cache, [Segment(0, ids, features(), 1)])
    assert cache.lengths.tolist() == [0]


def test_features_that_do_not_fit_are_refused() -> None:
    model = drawn.small_model()
    for heard, at in ((features(), 4), (features(), -1), (features()[:, 1:], 1)):
        with pytest.raises(PromptError, match="features"):
            model.read(model.new_cache(1), [Segment(0, prompt(), heard, at)])
    with pytest.raises(PromptError, match="shape"):
        model.read(model.new_cache(1), [Segment(0, prompt()[:, :7])])


def test_a_full_cache_is_refused_and_stays_as_it_was() -> None:
    model = drawn.small_model()
    cache = model.new_cache(2, positions=FRAMES + 3)
    model.read(cache, [Segment(0, prompt(), features(), 1)])
    with pytest.raises(CacheFull, match="row 0 holds 12 of 12"):
        model.read(cache, [Segment(1, prompts.begin()), Segment(0, prompts.begin())])
    assert cache.lengths.tolist() == [12, 0]


def test_long_prompts_attend_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceserver.nn.trunk.QUERIES_AT_ONCE", 5)
    ours = whole()
    monkeypatch.undo()
    close(ours, whole())


def test_layershift_gives_each_stream_its_part_of_the_table() -> None:
    ends = torch.tensor([4159] * 7 + [151_999])
    offsets = vocabulary.stream_offsets()
    firsts = vocabulary.layershift(torch.zeros(8, dtype=torch.int64), offsets)
    lasts = vocabulary.layershift(ends, offsets)
    assert firsts.tolist() == [152_000 + 4160 * stream for stream in range(7)] + [0]
    assert lasts.tolist() == [*(firsts[1:7] - 1).tolist(), 181_119, 151_999]
