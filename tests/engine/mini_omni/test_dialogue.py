"""Which turns stand in a slot's rows: what stays, what is dropped, what a cut reply looks like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.columns import Features
from voiceserver.engine.mini_omni.dialogue import Dialogue, Heard, Made, ended_after
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import EOA, EOT, PAD_A, PAD_T, STREAMS, TEXT_STREAM

FRAME_S = 0.1
POSITIONS, ROOM = 120, 20


def encode(text: str) -> list[int]:
    """A token for every character."""
    return [ord(character) for character in text]


def new_dialogue(positions: int = POSITIONS) -> Dialogue:
    return Dialogue(encode, positions, ROOM, FRAME_S)


def hear(dialogue: Dialogue, item_id: str, features: int, end_sample: int = 100) -> ChatMessage:
    """A turn that has been heard."""
    block = Features().add(torch.zeros(features, 1))
    dialogue.heard[item_id] = Heard(end_sample, (block,), block.numbers)
    return ChatMessage("user", "", item_id, 0, end_sample)


def reply(dialogue: Dialogue, item_id: str, frames: int, text: str = "Hi.") -> ChatMessage:
    """A spoken reply, every code of which tells its step and layer."""
    steps = [np.array([100 * s + j for j in range(STREAMS)]) for s in range(frames + 8)]
    for s, step in enumerate(steps):
        step[TEXT_STREAM] = [*encode(text), EOT, *[PAD_T] * len(steps)][s]
    ends = tuple(range(1, len(text) + 1))
    tokens = tuple(encode(text))
    dialogue.made[item_id] = Made(True, tuple(steps), frames, text, tokens, ends)
    return ChatMessage("assistant", text, item_id)


def ids(columns: NDArray[np.int64]) -> list[list[int]]:
    return columns[:, :STREAMS].tolist()


def test_a_first_spoken_turn_is_the_published_prompt() -> None:
    dialogue = new_dialogue()
    rows = dialogue.plan([ChatMessage("system", "Be kind."), hear(dialogue, "u", 5)])
    wanted = prompts.spoken_prompt(Task.A1A2, 5)[:-1].tolist()
    assert ids(rows.speaking) == ids(rows.writing) == wanted
    assert (rows.speaking[1:6, col.FEATURE] >= 0).all()
    assert (rows.speaking[[0, 6], col.FEATURE] == col.NO_FEATURE).all()


def test_a_typed_turn_is_the_published_prompt() -> None:
    rows = new_dialogue().plan([ChatMessage("user", "hello")])
    assert ids(rows.speaking) == prompts.typed_prompt(Task.T1A2, encode("hello"))[:-1].tolist()


def test_a_reply_stands_in_each_row_as_it_was_made_there() -> None:
    dialogue = new_dialogue()
    messages = [hear(dialogue, "u", 3), reply(dialogue, "a", 4), ChatMessage("user", "ok")]
    rows = dialogue.plan(messages)
    begin = 5  # the first turn
    speaking, writing = ids(rows.speaking), ids(rows.writing)
    made = dialogue.made["a"]
    assert speaking[begin] == prompts.answer(Task.A1A2)[0].tolist()
    assert speaking[begin + 1 : begin + 13] == [step.tolist() for step in made.steps]
    assert writing[begin] == prompts.answer(Task.A1T2)[0].tolist()
    text = [column[TEXT_STREAM] for column in writing[begin + 1 : begin + 5]]
    assert text == [*encode("Hi."), EOT]
    assert all(column[:TEXT_STREAM] == [PAD_A] * 7 for column in writing[begin + 1 : begin + 5])
    assert speaking[-4:] == writing[-4:]


def test_a_turn_whose_sound_is_gone_is_read_and_a_foreign_reply_is_text_in_both_rows() -> None:
    messages = [ChatMessage("user", "a", "x", 0, 9), ChatMessage("assistant", "b", "y")]
    rows = new_dialogue().plan([*messages, ChatMessage("user", "c")])
    assert np.array_equal(rows.speaking, rows.writing)
    typed = ids(rows.speaking)[:3]
    assert [column[TEXT_STREAM] for column in typed[1:]] == [ord("a"), EOT]


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(0, 12),
    heard_s=st.floats(0, 2),
    text=st.text("ab ", max_size=6),
    share=st.floats(0, 1),
)
def test_a_cut_reply_has_exactly_the_heard_frames_and_words(
    frames: int, heard_s: float, text: str, share: float
) -> None:
    dialogue = new_dialogue()
    whole = reply(dialogue, "a", frames, text)
    kept = text[: int(share * len(text))]
    cut = ChatMessage("assistant", kept, "a", heard_s=heard_s)
    rows = dialogue.history([ChatMessage("user", ""), cut])
    heard_frames = min(frames, int(heard_s / FRAME_S + 1e-6))
    columns = rows.speaking[3:]
    if heard_frames == frames and kept == text:
        assert np.array_equal(
            rows.speaking, dialogue.history([ChatMessage("user", ""), whole]).speaking
        )
        return
    for layer in range(7):
        codes = columns[layer + 1 : layer + 1 + heard_frames, layer]
        assert codes.tolist() == [100 * (layer + 1 + f) + layer for f in range(heard_frames)]
        after = columns[layer + 1 + heard_frames :, layer].tolist()
        assert after == [EOA] + [PAD_A] * (len(after) - 1)
    said = columns[:, TEXT_STREAM].tolist()
    assert said == [*encode(kept), EOT] + [PAD_T] * (len(said) - len(kept) - 1)
    assert rows.writing[3:, TEXT_STREAM].tolist() == [*encode(kept), EOT]


@pytest.mark.parametrize("heard", range(12))
def test_whole_frames_heard_are_whole_frames_kept(heard: int) -> None:
    dialogue = new_dialogue()
    dialogue._frame_s = 2048 / 24_000
    reply(dialogue, "a", 12)
    cut = ChatMessage("assistant", "Hi", "a", heard_s=heard * 2048 / 24_000)
    first_layer = dialogue.history([cut]).speaking[1:, 0].tolist()
    assert first_layer.index(EOA) == heard + 1


def test_a_reply_that_never_sounded_can_still_stand_in_a_row() -> None:
    steps = [np.full(STREAMS, 7)]
    columns = ended_after(steps, 0, [EOT])
    assert columns[0, 0] == 7  # what was sampled before the first frame is kept
    assert [columns[layer + 1, layer] for layer in range(7)] == [EOA] * 7


def spoken_dialogue(dialogue: Dialogue, sizes: Sequence[int]) -> list[ChatMessage]:
    messages: list[ChatMessage] = []
    for index, size in enumerate(sizes):
        messages += [hear(dialogue, f"u{index}", size), reply(dialogue, f"a{index}", size // 4)]
    return messages


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_there_is_always_room_for_the_reply_and_turns_go_whole_oldest_first(
    sizes: list[int],
) -> None:
    dialogue = new_dialogue()
    everything = spoken_dialogue(dialogue, sizes)
    for turn in range(len(sizes)):
        messages = everything[: 2 * turn + 1]
        rows = dialogue.plan(messages)
        assert len(rows) <= POSITIONS - ROOM
        assert dialogue.fits(rows)
        whole = new_dialogue(10_000)
        whole.heard, whole.made = dialogue.heard, dialogue.made
        candidates = [whole.plan(messages[begin:]) for begin in range(0, len(messages), 2)]
        assert any(np.array_equal(rows.speaking, c.speaking) for c in candidates)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=14))
def test_what_was_read_is_kept_until_the_room_runs_out(sizes: list[int]) -> None:
    dialogue = new_dialogue()
    everything = spoken_dialogue(dialogue, sizes)
    before = dialogue.plan(everything[:1])
    for turn in range(1, len(sizes)):
        rows = dialogue.plan(everything[: 2 * turn + 1])
        kept = col.common_prefix(before.speaking, rows.speaking)
        if kept < len(before.speaking):  # turns were dropped: enough for several more
            question = sizes[turn] + 2
            assert len(rows) <= max((POSITIONS - ROOM) // 2, question)
        before = rows


def test_dropping_makes_room_for_several_turns() -> None:
    dialogue = new_dialogue()
    everything = spoken_dialogue(dialogue, [12] * 12)
    read, rereadings = col.nothing(), 0
    for turn in range(12):
        rows = dialogue.plan(everything[: 2 * turn + 1])
        rereadings += col.common_prefix(read, rows.speaking) < len(read)
        read = rows.speaking
    assert 0 < rereadings <= 4


@pytest.mark.parametrize("features", [99, 300])
def test_a_turn_longer_than_everything_is_shortened(features: int) -> None:
    dialogue = new_dialogue()
    spoken = dialogue.plan([hear(dialogue, "u", features)])
    assert len(spoken) == POSITIONS - ROOM
    assert ids(spoken.speaking)[-1] == prompts.end()[0].tolist()
    assert spoken.speaking[1, col.FEATURE] == dialogue.heard["u"].numbers[0]
    typed = dialogue.plan([ChatMessage("user", "x" * 500 + "end")])
    assert len(typed) == POSITIONS - ROOM
    text = typed.speaking[:, TEXT_STREAM].tolist()
    assert text[-4:] == [*encode("end"), EOT]


def test_a_dialogue_without_a_question_gets_an_empty_one() -> None:
    dialogue = new_dialogue()
    assert ids(dialogue.plan([]).speaking) == prompts.typed([]).tolist()
    rows = dialogue.plan([ChatMessage("assistant", "hi", "foreign")])
    assert ids(rows.speaking)[-2:] == prompts.typed([]).tolist()


def test_turns_that_left_the_dialogue_are_forgotten() -> None:
    dialogue = new_dialogue()
    messages = spoken_dialogue(dialogue, [4, 4])
    dialogue.keep(messages[2:], also="a0")
    assert set(dialogue.heard) == {"u1"}
    assert set(dialogue.made) == {"a0", "a1"}
