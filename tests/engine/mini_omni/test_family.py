"""The family with a whole reduced checkpoint: spoken, typed and written turns, several callers."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from voiceserver.engine.family import Work
from voiceserver.engine.listening.microphones import Microphones
from voiceserver.engine.mini_omni.checkpoint import load
from voiceserver.engine.mini_omni.files import CheckpointFiles
from voiceserver.engine.mini_omni.model import MiniOmniFamily, Pace
from voiceserver.engine.mini_omni.turns import rows_of
from voiceserver.nn.mini_omni import prompts
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import STREAMS
from voiceserver.nn.whisper.live import LiveEncoder

from .table import FRAME_SAMPLES, HELLO, SLOTS, Table, files, read, speak_turn, speech


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


def test_the_end_of_a_turn_is_encoded_once_for_answer_and_transcript(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    finish = LiveEncoder.finish

    def counted(encoder: LiveEncoder, slot: int, samples: int | None = None) -> torch.Tensor:
        looks.append(slot)
        return finish(encoder, slot, samples)

    monkeypatch.setattr(LiveEncoder, "finish", counted)
    turn = speak_turn(table, 0)
    assert turn.end_sample is not None
    table.ask(0, [turn])
    table.family.recognise(0, 1, 0, turn.end_sample, True)
    table.finish(0)
    table.settle()
    assert [t.request_id for t in table.transcripts()] == [1]
    assert looks == [0]


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
    pace = Pace(64, 32, 2, 64, codec_thread=False, urgent_frames=1.5, lead_frames=2)
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
    first = next(piece for piece in said.pieces if len(piece))
    assert len(first) >= min(2 * FRAME_SAMPLES, len(said.samples))  # a lead, on a CPU
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


def test_the_family_sleeps_when_nobody_needs_it(table: Table) -> None:
    table.settle()
    assert table.family.work() == Work(talking=[])
