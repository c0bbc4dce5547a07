"""The dialogue in a slot's rows: kept from turn to turn, cut to what was heard, read on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.turns import rows_of
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.vocabulary import EOA, EOT, STREAMS, TEXT_STREAM

from .table import FRAME_SAMPLES, HELLO, Table, heard_turn, read, speak_turn, speech


def test_the_next_turn_keeps_what_the_rows_have_read(table: Table) -> None:
    table.ask(0, HELLO)
    [said] = table.finish(0)
    stood = [read(table, row).copy() for row in rows_of(0)]
    messages = [*HELLO, ChatMessage("assistant", said.text, "a"), ChatMessage("user", "And?", "v")]
    table.ask(0, messages, item_id="b")
    while table.family._answers.preparing():
        table.take(table.family.think())
    for before, row in zip(stood, rows_of(0), strict=True):
        assert col.common_prefix(before, read(table, row)) == len(before)
    table.finish(0)


def test_an_interruption_cuts_the_rows_to_what_was_heard(table: Table) -> None:
    table.ask(0, HELLO, max_tokens=20)
    while table.said[0].ended is None and len(table.said[0].samples) < 12 * FRAME_SAMPLES:
        table.tick()
    text = table.said[0].text
    question = len(prompts.typed(table.family._encode("Hello!")))
    table.family.stop(0)
    made = read(table, 0)[question + 1 :].copy()
    kept = text[: len(text) // 2].rstrip()
    heard_s = 5.5 * FRAME_SAMPLES / 24_000
    messages = [*HELLO, ChatMessage("assistant", kept, "a", heard_s=heard_s)]
    table.ask(0, [*messages, ChatMessage("user", "Stop.", "v")], item_id="b")
    while table.family._answers.preparing():
        table.take(table.family.think())
    row, heard_frames = read(table, 0)[question + 1 :], 5
    for layer in range(7):
        end = layer + 1 + heard_frames
        assert np.array_equal(row[:end, layer], made[:end, layer])
        assert row[end, layer] == EOA
    kept_tokens = row[:, TEXT_STREAM].tolist().index(EOT)
    assert table.family._tokenizer.decode(row[:kept_tokens, TEXT_STREAM].tolist()).strip() == kept
    table.finish(0)


def test_a_user_who_goes_on_is_read_on_from_where_the_pause_was(table: Table) -> None:
    first = speak_turn(table, 0, seconds=1.2)
    table.ask(0, [first])
    for _ in range(5):
        table.tick(talk=False)
    table.family.stop(0)
    table.family.turn_began(0, 0, ())
    sound = speech(1.0, seed=2)
    table.family.hear(0, sound)
    table.settle()
    settled = table.family._utterances.settled(0)
    assert len(settled) > 40
    whole = heard_turn("u1", 0, (len(speech(1.2)) + len(sound)) // 2)
    table.ask(0, [whole])
    table.family.hear(1, speech(1.2) + sound)
    table.ask(1, [whole])
    resumed, at_once = table.finish(0, 1)
    assert resumed.text == at_once.text
    assert resumed.ended is not None
    assert at_once.ended == replace(resumed.ended, slot=1)


def test_audio_that_is_gone_is_read_as_text(table: Table) -> None:
    gone = ChatMessage("user", "hello", "old", 10, 20)
    table.family.hear(0, speech(100.0))
    table.ask(0, [gone])
    table.finish(0)
    assert np.array_equal(read(table, 0)[0, :STREAMS], prompts.typed([1])[0].numpy())


def test_a_reopened_slot_knows_nothing_of_the_session_before(table: Table) -> None:
    table.ask(0, HELLO)
    table.finish(0)
    table.family.close(0)
    table.family.open(0)
    assert len(read(table, 0)) == len(read(table, 1)) == 0
    assert not table.family._turns.dialogue(0).made
