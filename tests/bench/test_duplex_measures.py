"""Each measure on hand-made recordings whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from voiceserver.bench.duplex.figures import per_minute, quantile_ms, rate
from voiceserver.bench.duplex.measures import (
    NotRun,
    StopOutcome,
    TurnOutcome,
    is_takeover,
    judge_stop,
    judge_turn,
)
from voiceserver.bench.duplex.recording import Happening, Heard, Recording
from voiceserver.bench.duplex.report import GOALS, Results, figures, report
from voiceserver.bench.duplex.timeline import picture
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.scenes.live import SceneKind

LENGTH_S = 12.0
TURN = Happening("turn", 1.0, 4.0)
PAUSE = Happening("pause", 2.0, 3.0)


def _reply(
    *pieces: tuple[float, float], words: int = 10, status: str = "", done_s: float | None = None
) -> Heard:
    """A reply with so many words, spread over its sound."""
    length_s = sum(end - begin for begin, end in pieces)
    timed = [(f"w{n}", length_s * n / max(words, 1)) for n in range(words)]
    return Heard("r", list(pieces), timed, done_s, status, length_s)


def _recording(kind: SceneKind, events: list[Happening], *replies: Heard) -> Recording:
    heard = np.zeros(int(LENGTH_S * WIRE_RATE_HZ), np.float32)
    for reply in replies:
        for begin, end in reply.pieces:
            heard[round(begin * WIRE_RATE_HZ) : round(end * WIRE_RATE_HZ)] = 0.2
    return Recording(kind, 0, events, heard, heard, list(replies))


def _pause(*replies: Heard) -> TurnOutcome:
    return judge_turn(_recording("pause", [TURN, PAUSE], *replies))


@pytest.mark.parametrize(
    ("seconds", "words", "takes_over"),
    [(0.9, 3, False), (0.9, 4, True), (1.0, 1, True), (5.0, 0, False), (0.2, 0, False)],
)
def test_takeover_is_as_full_duplex_bench_has_it(
    seconds: float, words: int, takes_over: bool
) -> None:
    assert is_takeover(seconds, words) is takes_over


def test_a_server_without_transcripts_is_judged_by_length() -> None:
    assert is_takeover(1.0, None)
    assert not is_takeover(0.99, None)
    assert _pause(_reply((4.5, 6.0), words=0)).answered


def test_an_answer_after_the_turn() -> None:
    outcome = _pause(_reply((4.5, 7.0)))
    assert (outcome.early, outcome.sounds_early, outcome.answered) == (False, False, True)
    assert outcome.latency_s == pytest.approx(0.5, abs=0.011)
    assert (outcome.pauses, outcome.turn_s) == (1, 3.0)


def test_latency_is_to_what_can_be_heard() -> None:
    recording = _recording("turn_end", [TURN], _reply((4.5, 7.0)))
    recording.heard[round(4.5 * WIRE_RATE_HZ) : round(4.8 * WIRE_RATE_HZ)] = 0.001
    assert judge_turn(recording).latency_s == pytest.approx(0.8, abs=0.011)


def test_a_takeover_in_a_pause_and_the_answer_after_it() -> None:
    outcome = _pause(_reply((2.5, 3.6)), _reply((4.8, 7.0)))
    assert (outcome.early, outcome.answered) == (True, True)
    assert outcome.latency_s == pytest.approx(0.8, abs=0.011)


def test_what_is_taken_back_at_once_is_no_takeover_but_a_sound() -> None:
    outcome = _pause(_reply((2.5, 2.9), words=2), _reply((4.5, 7.0)))
    assert (outcome.early, outcome.sounds_early, outcome.acknowledgements) == (False, True, 1)
    assert _pause(_reply((2.5, 2.9), words=3)).acknowledgements == 0
    taken_back = _reply((2.5, 2.9), words=2, status="cancelled", done_s=2.9)
    assert _pause(taken_back).acknowledgements == 0
    assert _pause(_reply((2.5, 2.9), words=4)).early


def test_who_spoke_on_since_a_pause_has_answered_without_a_latency() -> None:
    outcome = _pause(_reply((2.5, 7.0)))
    assert (outcome.early, outcome.answered, outcome.latency_s) == (True, True, None)


def test_no_answer_a_late_one_and_a_short_one() -> None:
    assert not _pause().answered
    assert not _pause(_reply((8.5, 10.0))).answered
    assert not _pause(_reply((4.5, 5.0), words=2)).answered


def _over(kind: SceneKind, event: Happening, *replies: Heard) -> StopOutcome:
    return judge_stop(_recording(kind, [event], *replies))


INTERRUPTION = Happening("interruption", 3.0, 4.0, "Wait, stop.")


def test_a_stop_is_counted_to_the_last_sound_heard() -> None:
    cut = _reply((1.0, 3.25), status="cancelled", done_s=3.2)
    outcome = _over("interruption", INTERRUPTION, cut, _reply((4.9, 6.0)))
    assert outcome.stopped
    assert outcome.stop_s == pytest.approx(0.25, abs=0.011)
    assert outcome.answer_s == pytest.approx(0.9, abs=0.011)


def test_who_speaks_on_did_not_stop() -> None:
    outcome = _over("interruption", INTERRUPTION, _reply((1.0, 11.0)))
    assert (outcome.stopped, outcome.stop_s, outcome.answer_s) == (False, None, None)


def test_a_reply_cut_long_after_was_not_stopped_by_it() -> None:
    late = _reply((1.0, 6.0), status="cancelled", done_s=6.0)
    assert not _over("noise", Happening("noise", 3.0, 3.4), late).stopped


def test_silence_is_a_stop_though_the_server_does_not_say_so() -> None:
    assert _over("interruption", INTERRUPTION, _reply((1.0, 3.3))).stopped


def test_a_complete_reply_that_the_client_threw_away_was_stopped() -> None:
    sent_ahead = _reply((1.0, 3.2), status="completed", done_s=1.5)
    sent_ahead.flushed_s = 3.2
    assert _over("interruption", INTERRUPTION, sent_ahead).stopped
    went_on = _reply((1.0, 3.2), (3.8, 9.0), status="completed", done_s=1.5)
    went_on.flushed_s = 3.2
    outcome = _over("interruption", INTERRUPTION, went_on)
    assert not outcome.stopped
    assert outcome.dips_s == pytest.approx((0.6,))


def test_a_dip_is_no_stop() -> None:
    dipped = _reply((1.0, 3.2), (3.6, 3.8), (3.81, 11.0))
    outcome = _over("backchannel", Happening("backchannel", 3.0, 3.5), dipped)
    assert not outcome.stopped
    assert outcome.dips_s == pytest.approx((0.4,))  # a gap of 10 ms is none
    before = _reply((1.0, 2.0), (2.5, 11.0))
    assert _over("backchannel", Happening("backchannel", 3.0, 3.5), before).dips_s == ()


def test_a_gap_when_the_event_begins_does_not_hide_a_stop() -> None:
    stuttering = _reply((1.0, 2.9), (3.1, 3.3), status="cancelled", done_s=3.3)
    assert _over("noise", Happening("noise", 3.0, 3.4), stuttering).stopped


def test_scenes_that_did_not_run_say_nothing() -> None:
    noise = Happening("noise", 3.0, 3.4)
    with pytest.raises(NotRun, match="was not speaking"):
        _over("noise", noise, _reply((1.0, 2.5), status="completed", done_s=2.0))
    with pytest.raises(NotRun, match="cut before"):
        _over("noise", noise, _reply((1.0, 2.5), status="cancelled", done_s=2.5))
    with pytest.raises(NotRun, match="over too soon"):
        _over("noise", noise, _reply((1.0, 3.6), status="completed", done_s=3.1))
    broken = _recording("noise", [noise], _reply((1.0, 9.0)))
    broken.failure = "the connection broke"
    with pytest.raises(NotRun, match="broke"):
        judge_stop(broken)
    with pytest.raises(NotRun, match="before it began"):
        judge_turn(_recording("pause", []))


def test_wilson() -> None:
    """Against values of a table: 5 of 100, 0 of 20."""
    figure = rate(5, 100)
    assert (figure.value, figure.count) == (5.0, 100)
    assert (figure.low, figure.high) == pytest.approx((2.154, 11.175), abs=0.01)
    assert (rate(0, 20).low, rate(0, 20).high) == pytest.approx((0.0, 16.113), abs=0.01)
    assert rate(0, 0).shown() == "-"


def test_quantiles_have_intervals_that_narrow() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 400).tolist()
    wide, narrow = quantile_ms(values[:40], 0.5), quantile_ms(values, 0.5)
    for figure in (wide, narrow):
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high
        assert figure.low < 500 < figure.high
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)  # type: ignore[operator]
    assert quantile_ms([], 0.5).value is None


def test_counts_a_minute() -> None:
    figure = per_minute(10, 120.0, 5)
    assert figure.value == 5.0
    assert (figure.low, figure.high) == pytest.approx((2.40, 9.20), abs=0.02)  # 10: 4.80-18.39
    assert per_minute(0, 60.0, 5).high == pytest.approx(3.69, abs=0.1)


def _results() -> Results:
    results = Results("ours")
    results.outcomes["pause"] = [
        TurnOutcome(1, early, early, True, latency_s, 1, 6.0)
        for early, latency_s in ((True, None), (False, 0.4), (False, 0.5), (False, 0.6))
    ]
    results.outcomes["turn_end"] = [
        TurnOutcome(0, False, False, answered, 0.7 if answered else None, 0, 3.0)
        for answered in (True, True, True, False)
    ]
    results.outcomes["interruption"] = [
        StopOutcome("Wait.", stop_s is not None, stop_s, 0.5, ())
        for stop_s in (0.2, 0.3, 0.4, None)
    ]
    results.outcomes["noise"] = [
        StopOutcome("cough", True, 0.3, None, (0.2,)),
        StopOutcome("door", False, None, None, (0.1, 0.3)),
    ]
    results.not_run["noise"] = ["noise:2: the assistant was not speaking"]
    return results


def test_figures_are_of_the_right_scenes() -> None:
    found = {name: figure.value for name, figure in figures(_results()).items()}
    assert found["takeover in pauses"] == 25.0
    assert found["takeover at turn ends"] == 87.5
    assert found["turn ends missed"] == 12.5
    assert found["response latency, median"] == pytest.approx(650.0)
    assert found["assistant's backchannels"] == pytest.approx(60 * 4 / 36)
    assert found["interruption: stop latency, median"] == pytest.approx(300.0)
    assert found["interruptions not stopped"] == 25.0
    assert found["interruptions answered"] == 100.0
    assert found["false stop: noise"] == 50.0
    assert found["false stop: noise, of them coughs"] == 100.0
    assert found["dips: noise"] == 50.0
    assert found["dips: noise, length, median"] == pytest.approx(200.0)
    assert "false stop: echo" not in found


def test_the_report_stands_side_by_side_with_goals(capsys: pytest.CaptureFixture[str]) -> None:
    other = Results("baseline", _results().outcomes)
    made = report([_results(), other], sessions=3, seed=0)
    assert made.headings[1:3] == ("ours", "baseline")
    assert {goal.name for goal in made.goals} <= set(GOALS)
    assert {goal.name: goal.met for goal in made.goals}["takeover in pauses"] is False
    made.show(as_json=False)
    printed = capsys.readouterr().out
    assert "missed" in printed
    assert ("takeover in pauses", *2 * ["25.0 (4.6-69.9)"], "%", 4) in made.rows
    assert ("not run: noise", "1", "0", "", None) in made.rows


def test_the_picture_shows_words_events_and_notices() -> None:
    recording = _recording("pause", [TURN, PAUSE], _reply((4.5, 7.0)))
    recording.events[0] = Happening("turn", 1.0, 4.0, "Is 1 < 2?")
    recording.notices = [(4.2, "reply begins")]
    drawn = picture(recording, "pause:0")
    from xml.etree import ElementTree

    tree = ElementTree.fromstring(drawn)
    written = " ".join(text for text in tree.itertext())
    assert "turn Is 1 < 2?" in written
    assert "reply begins" in written
    assert "w0 w1" in written
    assert drawn.count("<polygon") == 2
