"""The books of a reply: delays, ends, and a model that never stops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voiceserver.engine.family import Task
from voiceserver.engine.messages import EndReason
from voiceserver.engine.mini_omni.reply import FRAMES_AT_LEAST, FRAMES_PER_TOKEN, Reply, Taken
from voiceserver.engine.mini_omni.words import SpeakingRate
from voiceserver.nn.mini_omni.vocabulary import (
    EOA,
    EOT,
    PAD_A,
    PAD_T,
    STREAMS,
    TEXT_STREAM,
)

from ...mini_omni.random_checkpoint import tokenizer as small_tokenizer

TEXT = "Hello there, friend."


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return small_tokenizer()


def new_reply(tokenizer: Tokenizer, *, speak: bool = True, max_tokens: int = 99) -> Reply:
    task = Task((), speak, max_tokens, temperature=0.0, seed=1, item_id="a")
    return Reply(task, tokenizer, SpeakingRate())


def spoken_columns(tokens: list[int], frames: int) -> Iterator[NDArray[np.int64]]:
    """A reply as a model makes it: layer j of frame f, in step f + j + 1, is 10 f + j."""
    for step in range(frames + 8):
        column = np.full(STREAMS, PAD_A)
        for layer in range(7):
            frame = step - layer - 1
            if 0 <= frame <= frames:
                column[layer] = EOA if frame == frames else 10 * frame + layer
        column[TEXT_STREAM] = [*tokens, EOT, *[PAD_T] * (frames + 8)][step]
        yield column


def take_all(reply: Reply, columns: Iterator[NDArray[np.int64]]) -> list[Taken]:
    taken: list[Taken] = []
    for column in columns:
        assert reply.ended is None
        taken.append(reply.take(column))
    return taken


@pytest.mark.parametrize("frames", [1, 2, 7, 30])
def test_frames_come_out_of_the_delays_whole_and_text_as_it_is_written(
    tokenizer: Tokenizer, frames: int
) -> None:
    reply, tokens = new_reply(tokenizer), tokenizer.encode(TEXT).ids[: frames + 6]
    taken = take_all(reply, spoken_columns(tokens, frames))
    codes = [t.frame.tolist() for t in taken if t.frame is not None]
    assert codes == [[10 * frame + layer for layer in range(7)] for frame in range(frames)]
    assert taken[7].frame is not None  # eight passes to the first sound
    assert "".join(t.text for t in taken) == reply.text == reply.made().text
    assert (reply.ended, reply.frames) == (EndReason.COMPLETED, frames)
    made = reply.made()
    assert made.tokens == tuple(tokens)
    assert made.text_ends[-1] == len(reply.text)
    assert len(made.steps) == frames + 8


def test_the_first_step_ends_nothing(tokenizer: Tokenizer) -> None:
    column = np.full(STREAMS, PAD_A)
    column[6], column[TEXT_STREAM] = EOA, EOT
    spoken, written = new_reply(tokenizer), new_reply(tokenizer, speak=False)
    for reply in (spoken, written):
        reply.take(column)
        assert reply.ended is None
        reply.take(column)
        assert reply.ended is EndReason.COMPLETED
    assert spoken.frames == 0


def test_a_written_reply_ends_with_its_text(tokenizer: Tokenizer) -> None:
    reply, tokens = new_reply(tokenizer, speak=False), tokenizer.encode(TEXT).ids
    for token in [*tokens, EOT]:
        assert reply.ended is None
        column = np.full(STREAMS, 5)
        column[TEXT_STREAM] = token
        assert reply.take(column).frame is None
    assert (reply.ended, reply.text, reply.frames) == (EndReason.COMPLETED, TEXT, 0)


def test_enough_text_is_told_and_the_sound_goes_on(tokenizer: Tokenizer) -> None:
    reply, tokens = new_reply(tokenizer, max_tokens=3), tokenizer.encode(TEXT).ids
    columns = list(spoken_columns(tokens, 20))
    for column in columns[:3]:
        assert not reply.text_is_full
        reply.take(column)
    assert reply.text_is_full
    reply.end_text()
    rest = take_all(reply, iter(columns[3:]))
    assert not any(t.text for t in rest)
    assert (reply.ended, reply.frames) == (EndReason.MAX_TOKENS, 20)
    assert reply.made().tokens == tuple(tokens[:3])


def test_a_voice_that_never_stops_is_stopped(tokenizer: Tokenizer) -> None:
    reply = new_reply(tokenizer, max_tokens=4)
    column = np.full(STREAMS, 9)
    for _ in range(10_000):
        if reply.ended is not None:
            break
        reply.take(column)
        if reply.text_is_full:
            reply.end_text()
    assert reply.ended is EndReason.MAX_TOKENS
    assert reply.frames == FRAMES_AT_LEAST + 4 * FRAMES_PER_TOKEN


def test_codes_that_are_no_sound_are_counted(tokenizer: Tokenizer) -> None:
    reply = new_reply(tokenizer)
    columns = list(spoken_columns([1], 5))
    columns[3][0] = 4100  # layer 0 of frame 2
    columns[5][2] = 4096  # layer 2 of the same
    take_all(reply, iter(columns))
    assert reply.concealed_frames == 1
    assert reply.closing(3).concealed_frames == 1


def test_sound_is_let_out_once_there_is_a_lead_and_none_is_lost(tokenizer: Tokenizer) -> None:
    sound = np.arange(60, dtype=np.float32)
    pieces = np.split(sound, [10, 25, 40])
    reply = new_reply(tokenizer)
    out = [reply.let_out(piece, 20, last=False) for piece in pieces]
    assert [len(piece) for piece in out] == [0, 25, 15, 20]
    assert np.array_equal(np.concatenate(out), sound)
    short = new_reply(tokenizer)
    assert len(short.let_out(sound[:5], 20, last=False)) == 0
    assert np.array_equal(short.let_out(sound[5:8], 20, last=True), sound[:8])
