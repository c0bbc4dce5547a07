"""What users said, written down on scratch rows beside the replies."""

from __future__ import annotations

from .table import Table, speak_turn, speech


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
