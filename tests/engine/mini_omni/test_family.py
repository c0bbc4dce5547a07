"""The family with a whole reduced checkpoint: spoken and typed turns, interruptions, failures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from voiceserver.engine.family import Work
from voiceserver.engine.listening.microphones import Microphones
from voiceserver.engine.messages import ChatMessage, EndReason
from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni import reply
from voiceserver.engine.mini_omni.checkpoint import load
from voiceserver.engine.mini_omni.files import CheckpointFiles
from voiceserver.engine.mini_omni.model import MiniOmniFamily, MiniOmniFiles, Pace
from voiceserver.engine.mini_omni.turns import rows_of
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import EOA, EOT, STREAMS, TEXT_STREAM

from .table import Table, files, heard_turn, speech

SLOTS = 3
FRAME_SAMPLES = 2048
HELLO = (ChatMessage("system", "Be kind."), ChatMessage("user", "Hello!", "u"))


@pytest.fixture(scope="module")
def family_and_bell(random_mini_omni: Path) -> Iterator[tuple[MiniOmniFamily, threading.Event]]:
    bell = threading.Event()
    folder, vad, turn_end = files(random_mini_omni)
    found = MiniOmniFiles(CheckpointFiles.in_folder(folder), vad, turn_end)
    family = MiniOmniFamily.load(found, SLOTS, bell.set, torch.device("cpu"))
    yield family, bell
    family.shut_down()


@pytest.fixture(autouse=True)
def short_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights rarely end a reply; here the bound on its sound does so soon."""
    monkeypatch.setattr(reply, "FRAMES_AT_LEAST", 9)
    monkeypatch.setattr(reply, "FRAMES_PER_TOKEN", 1)


@pytest.fixture
def table(family_and_bell: tuple[MiniOmniFamily, threading.Event]) -> Iterator[Table]:
    family, bell = family_and_bell
    for slot in range(SLOTS):
        family.open(slot)
    yield Table(family, bell)
    for slot in range(SLOTS):
        family.close(slot)


def read(table: Table, row: int) -> col.Columns:
    return table.family._rows.read(row)


def speak_turn(table: Table, slot: int, seconds: float = 1.0, seed: int = 1) -> ChatMessage:
    """A user's turn, heard live in pieces of 40 ms."""
    start = table.family._microphones.position(slot)
    table.family.turn_began(slot, start, ())
    sound = speech(seconds, seed)
    for at in range(0, len(sound), 1280):
        table.family.hear(slot, sound[at : at + 1280])
        table.tick()
    return heard_turn(f"u{seed}", start, start + len(sound) // 2)


def test_a_spoken_turn_is_answered_with_sound_of_the_right_length(table: Table) -> None:
    turn = speak_turn(table, 0)
    table.ask(0, [turn])
    [said] = table.finish(0)
    assert said.ended is not None
    assert said.ended.audio_frames > 0
    assert len(said.samples) == said.ended.audio_frames * FRAME_SAMPLES
    assert np.isfinite(said.samples).all()
    assert said.text == "".join(said.text)
    assert [word.text for word in said.words] == said.text.split()
    features = turn.end_sample // 320 + 1 if turn.end_sample else 0
    assert said.ended.prompt_tokens == features + 3


def test_what_was_heard_live_is_the_published_prompt_in_both_rows(table: Table) -> None:
    turn = speak_turn(table, 0, seconds=2.0)
    assert len(read(table, 0)) >= 32, "nothing was read while the user spoke"
    table.ask(0, [turn])
    table.finish(0)
    wanted = prompts.spoken_prompt(Task.A1A2, 101).numpy()
    for row, task in zip(rows_of(0), (Task.A1A2, Task.A1T2), strict=True):
        ids = read(table, row)[:104, :STREAMS]
        assert np.array_equal(ids[:-1], wanted[:-1])
        assert np.array_equal(ids[-1:], prompts.answer(task).numpy())


def test_a_turn_heard_live_is_answered_as_one_heard_at_once(table: Table) -> None:
    turn = speak_turn(table, 0)
    table.family.hear(1, speech(1.0))
    table.ask(0, [turn])
    table.ask(1, [turn])
    live, at_once = table.finish(0, 1)
    assert live.text == at_once.text
    assert live.ended is not None
    assert at_once.ended is not None
    assert live.ended.audio_frames == at_once.ended.audio_frames


def test_a_gpus_pace_changes_nothing_of_what_is_said(table: Table, random_mini_omni: Path) -> None:
    """Many rows in one call, long pieces, the codec at once: on a CPU here."""
    folder, vad, turn_end = files(random_mini_omni)
    bell = threading.Event()
    checkpoint = load(CheckpointFiles.in_folder(folder), torch.device("cpu"))
    microphones = Microphones(vad, turn_end, SLOTS, bell.set, threads=2)
    pace = Pace(piece=64, rows=32, scratch=2, codec_thread=False)
    family = MiniOmniFamily(checkpoint, microphones, SLOTS, bell.set, pace)
    other = Table(family, bell)
    for slot in range(SLOTS):
        family.open(slot)
    both = []
    for each in (table, other):
        turns = [speak_turn(each, slot, 0.6, seed=slot + 1) for slot in (0, 1)]
        for slot, turn in enumerate(turns):
            each.ask(slot, [turn], max_tokens=1)
            assert turn.end_sample is not None
            each.family.recognise(slot, slot, 0, turn.end_sample, True)
        both.append(each.finish(0, 1))
        each.settle()
    for one, same in zip(*both, strict=True):
        assert one.ended == same.ended
        assert one.text == same.text
        assert np.allclose(one.samples, same.samples, atol=1e-4)
    written = [{t.request_id: t.text for t in each.transcripts()} for each in (table, other)]
    assert written[0] == written[1]
    assert set(written[0]) == {0, 1}
    family.shut_down()


def test_a_typed_turn_is_answered_aloud(table: Table) -> None:
    table.ask(0, HELLO)
    [said] = table.finish(0)
    assert said.ended is not None
    assert len(said.samples) == said.ended.audio_frames * FRAME_SAMPLES > 0
    typed = prompts.typed([1])
    assert np.array_equal(read(table, 0)[0, :STREAMS], typed[0].numpy())


def test_a_written_reply_has_no_sound_and_at_most_the_tokens_asked_for(table: Table) -> None:
    table.ask(0, HELLO, speak=False, max_tokens=5)
    [said] = table.finish(0)
    assert said.ended is not None
    assert (said.ended.audio_frames, len(said.samples)) == (0, 0)
    assert 1 <= said.ended.text_tokens <= 5
    assert len(read(table, 0)) == 0, "the speaking row has nothing to do with it"


def test_the_system_message_changes_nothing(table: Table) -> None:
    table.ask(0, HELLO)
    table.ask(1, HELLO[1:])
    first, second = table.finish(0, 1)
    assert first.text == second.text


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_two_callers_get_what_each_gets_alone(table: Table, temperature: float) -> None:
    alone = []
    for slot in (0, 1):
        turn = speak_turn(table, slot, 0.6, seed=slot + 1)
        table.ask(slot, [turn], max_tokens=2, temperature=temperature)
        alone += table.finish(slot)
        table.family.close(slot)
        table.family.open(slot)
    turns = [speak_turn(table, slot, 0.6, seed=slot + 1) for slot in (0, 1)]
    for slot in (0, 1):
        table.ask(slot, [turns[slot]], max_tokens=2, temperature=temperature)
    together = table.finish(0, 1)
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        assert one.ended == other.ended
        assert np.allclose(one.samples, other.samples, atol=1e-4)


def test_a_reply_that_never_stops_ends_as_max_tokens(table: Table) -> None:
    table.ask(0, HELLO, max_tokens=1)
    [said] = table.finish(0)
    assert said.ended is not None
    assert said.ended.reason is EndReason.MAX_TOKENS
    assert said.ended.text_tokens == 1
    assert said.ended.audio_frames <= 10


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


def test_what_was_said_is_written_down_beside_the_reply(table: Table) -> None:
    turn = speak_turn(table, 0)
    assert turn.end_sample is not None
    table.ask(0, [turn])
    table.family.recognise(0, 5, 0, turn.end_sample, True)
    table.finish(0)
    table.settle()
    [transcript] = table.transcripts()
    assert (transcript.slot, transcript.request_id, transcript.failed) == (0, 5, False)
    table.family.hear(1, speech(1.0))
    table.family.recognise(1, 6, 0, turn.end_sample, True)
    table.settle()
    assert table.transcripts()[-1].text == transcript.text  # read live or at once


def test_looks_give_way_and_what_is_gone_fails(table: Table) -> None:
    table.family.hear(0, speech(100.0))
    end = 100 * 16_000
    table.family.recognise(0, 1, end - 9000, end, False)
    table.family.recognise(0, 2, end - 8000, end, True)
    table.family.recognise(0, 3, 0, 16_000, True)
    table.family.recognise(0, 4, end - 100, end, True)
    table.settle()
    found = {t.request_id: t for t in table.transcripts()}
    assert set(found) == {2, 3, 4}
    assert found[3].failed
    assert (found[4].text, found[4].failed) == ("", False)


def test_a_reply_cannot_be_told_its_words(table: Table) -> None:
    from voiceserver.engine.family import Task as Reply

    with pytest.raises(ValueError, match="cannot be told"):
        table.family.begin(0, Reply((), True, 9, 0.0, 1, verbatim="Say this."))


def test_a_broken_slot_costs_nobody_else_their_reply(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.ask(0, HELLO)
    table.ask(1, HELLO)
    real = table.family._rows.extend

    def extend(rows: list[int]) -> None:
        if any(row in rows_of(0) for row in rows):
            raise RuntimeError("told to fail")
        real(rows)

    monkeypatch.setattr(table.family._rows, "extend", extend)
    broken, whole = table.finish(0, 1)
    assert broken.ended is not None
    assert broken.ended.reason is EndReason.FAILED
    assert "told to fail" in broken.ended.message
    assert whole.ended is not None
    assert whole.ended.reason is not EndReason.FAILED


def test_a_failing_encoder_costs_only_who_waits_for_it(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.family.hear(0, speech(1.0))
    with monkeypatch.context() as patch:
        patch.setattr(table.family._utterances._encoder, "step", lambda: 1 / 0)
        table.ask(0, [heard_turn("u", 0, 16_000)])
        table.ask(1, HELLO)
        table.family.recognise(0, 5, 0, 8_000, True)
        deaf, reading = table.finish(0, 1)
    assert deaf.ended is not None
    assert deaf.ended.reason is EndReason.FAILED
    assert reading.ended is not None
    assert reading.ended.reason is not EndReason.FAILED
    table.settle()
    table.ask(0, [heard_turn("u", 0, 16_000)], item_id="b")
    [said] = table.finish(0)
    assert said.ended is not None
    assert said.ended.reason is not EndReason.FAILED


def test_a_failing_codec_ends_the_reply_and_the_next_one_works(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = table.family._sound._voice
    with monkeypatch.context() as patch:
        patch.setattr(voice, "decode", lambda frames: 1 / 0)
        table.ask(0, HELLO)
        [said] = table.finish(0)
    assert said.ended is not None
    assert said.ended.reason is EndReason.FAILED
    table.ask(0, HELLO, item_id="b")
    [said] = table.finish(0)
    assert said.ended is not None
    assert said.ended.reason is not EndReason.FAILED


def test_a_reopened_slot_knows_nothing_of_the_session_before(table: Table) -> None:
    table.ask(0, HELLO)
    table.finish(0)
    table.family.close(0)
    table.family.open(0)
    assert len(read(table, 0)) == len(read(table, 1)) == 0
    assert not table.family._turns.dialogue(0).made


def test_the_family_sleeps_when_nobody_needs_it(table: Table) -> None:
    table.settle()
    assert table.family.work() == Work(talking=[])
