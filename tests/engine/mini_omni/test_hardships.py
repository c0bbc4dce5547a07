"""What goes wrong for one slot costs nobody else anything; what never stops is stopped."""

from __future__ import annotations

import pytest

from voiceserver.engine.family import Task as Reply
from voiceserver.engine.messages import EndReason
from voiceserver.engine.mini_omni.turns import rows_of

from .table import HELLO, Table, heard_turn, speech


def test_a_reply_that_never_stops_ends_as_max_tokens(table: Table) -> None:
    table.ask(0, HELLO, max_tokens=1)
    [said] = table.finish(0)
    assert said.ended is not None
    assert said.ended.reason is EndReason.MAX_TOKENS
    assert said.ended.text_tokens == 1
    assert said.ended.audio_frames <= 10


def test_a_reply_cannot_be_told_its_words(table: Table) -> None:
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
