"""Sounds over the assistant's, judged by an engine that can tell who takes the floor."""

from __future__ import annotations

from itertools import pairwise

import pytest
from forecast_kit import Call

from voiceserver.engine import messages as m
from voiceserver.session import notices as n
from voiceserver.session.turns.over_us import LONGEST_DOUBT_SAMPLES, LONGEST_JUDGED_SAMPLES

LONGEST_DOUBT_WINDOWS = LONGEST_DOUBT_SAMPLES // 512 + 1


def speaking(judge: float | None = 0.5) -> Call:
    call = Call()
    call.speak_turn()
    call.reply(9)
    call.hear("." * 5)
    call.judge = judge
    return call


def interrupted(call: Call) -> bool:
    return [d.reply.status for d in call.noticed(n.ReplyDone)] == ["cancelled"]


def goes_on(call: Call) -> bool:
    """Whether all that is made is passed on again."""
    call.reply(2)
    return len(call.passed_on()) == 11


def test_who_surely_takes_the_floor_interrupts_while_still_speaking() -> None:
    call = speaking(judge=0.95)
    call.hear("d" * 9)
    assert not call.told(m.JudgeFloor), "too early to tell"
    call.hear("d" * 2)
    assert interrupted(call)


def test_a_doubt_is_over_when_the_sound_turns_out_to_be_our_own_voice() -> None:
    call = speaking(judge=0.95)
    call.hear("d" * 3)
    assert len(call.passed_on()) == 9, "it is doubted"
    call.hear("e" * 3)
    assert goes_on(call)
    call.hear("e" * 9 + "." * 8)
    assert not call.told(m.JudgeFloor)
    assert not interrupted(call)


def test_who_goes_on_over_our_voice_is_heard() -> None:
    call = speaking(judge=0.95)
    call.hear("dde" * 5)
    assert interrupted(call)


def test_a_listener_who_goes_on_after_a_moment_is_doubted_again() -> None:
    call = speaking(judge=0.03)
    call.hear("d" * 12 + "." * 6)
    assert len(call.passed_on()) == 9
    call.reply(2)
    assert len(call.passed_on()) == 11, "that was all, it seemed"
    call.hear("d" * 2)
    call.reply(2)
    assert len(call.passed_on()) == 11
    call.judge = 0.95
    call.hear("d" * 9)
    assert interrupted(call)


@pytest.mark.parametrize("goes_on_talking", [True, False])
def test_who_may_only_draw_breath_is_waited_for(goes_on_talking: bool) -> None:
    call = speaking(judge=0.2)
    call.hear("d" * 12 + "." * 8)
    call.reply(2)
    assert len(call.passed_on()) == 9, "it is still doubted"
    if not goes_on_talking:
        call.hear("." * 3)
        assert len(call.passed_on()) == 11
        return
    call.judge = 0.95
    call.hear("d" * 5)
    assert interrupted(call)
    assert len(call.passed_on()) == 9, "nothing was heard in between"


@pytest.mark.parametrize("gap", [5, 6, 7])
def test_what_was_surely_none_is_judged_anew_when_they_go_on(gap: int) -> None:
    call = speaking(judge=0.005)
    call.hear("d" * 11 + "." * gap)
    assert goes_on(call)
    call.judge_is_slow = True
    before = len(call.passed_on())
    call.hear("d" * 4)
    call.reply(2)
    assert len(call.passed_on()) == before, "the old answer does not end the new doubt"


def test_the_sound_is_judged_from_its_first_consonant_on() -> None:
    call = speaking()
    call.hear("d" * 11)
    [asked] = call.told(m.JudgeFloor)
    assert asked.end_sample - asked.start_sample == 10 * 512 + 1600
    assert asked.end_sample == call.listened - 512


def test_a_listener_is_let_alone_at_once_and_may_still_take_the_floor() -> None:
    call = speaking(judge=0.005)
    call.hear("d" * 11)
    assert goes_on(call), "although the sound lasts"
    call.judge = 0.95
    call.hear("d" * 5)
    assert interrupted(call)


@pytest.mark.parametrize(("judge", "stops"), [(0.6, True), (0.3, False)])
def test_a_sound_that_is_over_is_whatever_is_likelier(judge: float, stops: bool) -> None:
    call = speaking(judge)
    call.hear("d" * 13)
    assert not call.noticed(n.ReplyDone)
    assert len(call.noticed(n.SpeechStarted)) == 1, "the turn before"
    call.hear("." * 11)
    assert interrupted(call) == stops
    assert stops or goes_on(call)


def test_it_is_asked_again_only_about_more_sound() -> None:
    call = speaking(judge=0.005)
    call.hear("d" * 20)
    ends = [asked.end_sample for asked in call.told(m.JudgeFloor)]
    assert len(ends) == 3
    assert min(b - a for a, b in pairwise(ends)) == 4 * 512
    call.hear("." * 60)
    assert len(call.told(m.JudgeFloor)) <= 5, "once or twice more, with its last syllable"


def test_a_sound_that_is_surely_nothing_is_not_asked_about() -> None:
    call = speaking(judge=0.95)
    call.hear("b" * 40)
    assert not call.told(m.JudgeFloor)


def test_nobody_listens_to_a_television_for_ever() -> None:
    call = speaking(judge=0.005)
    call.hear("d" * 400)
    last = call.told(m.JudgeFloor)[-1]
    assert last.end_sample - last.start_sample <= LONGEST_JUDGED_SAMPLES + 1600


@pytest.mark.parametrize("judge", [None, 0.3])
def test_where_nobody_judges_an_unlikely_interruption_is_none(judge: float | None) -> None:
    call = speaking(judge)
    call.hear("d" * 11 + "b" * 4)
    assert goes_on(call) == (judge is None)


@pytest.mark.parametrize("echo", [False, True])
def test_a_loud_sound_is_judged_though_the_vad_hears_no_voice(echo: bool) -> None:
    call = speaking(judge=0.95)
    call.hear("E" * 12 if echo else "L" * 12)
    assert interrupted(call) != echo
    call = speaking(judge=0.95)
    call.hear("q" * 40)
    assert not call.told(m.JudgeFloor), "it is too faint"


@pytest.mark.parametrize(("sound", "stops"), [("l", True), ("d", False)])
def test_without_an_answer_the_forecast_decides(sound: str, stops: bool) -> None:
    call = speaking()
    call.judge_is_slow = True
    call.hear(sound * (3 + LONGEST_DOUBT_WINDOWS))
    assert len(call.told(m.JudgeFloor)) == 1
    assert interrupted(call) == stops


def test_an_answer_about_a_sound_long_over_changes_nothing() -> None:
    call = speaking()
    call.judge_is_slow = True
    call.hear("d" * 12 + "." * 40)
    before = len(call.effects)
    call.judge_floor(0.99)
    assert len(call.effects) == before
