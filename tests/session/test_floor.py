"""Words that take the floor, words of a listener, and the detector that asks for them."""

from __future__ import annotations

import pytest
from forecast_kit import Call

from voiceserver.engine import messages as m
from voiceserver.session import notices as n
from voiceserver.session.turns.floor import takes_floor


@pytest.mark.parametrize(
    "text",
    [
        "Stop.",
        "Wait, wait!",
        "No, the other one.",
        "Tell me about the sea instead.",
        "I don't care",
    ],
)
def test_these_take_the_floor_whatever_was_forecast(text: str) -> None:
    assert takes_floor(text, 0.3)


@pytest.mark.parametrize("text", ["", "...", "Mm-hm.", "Uh-huh, okay.", "Oh, I see.", "Of course!"])
def test_these_never_do(text: str) -> None:
    assert not takes_floor(text, 1.0)


@pytest.mark.parametrize(("text", "enough"), [("Lotha", 0.8), ("a me chang", 0.4)])
def test_what_may_be_a_hum_misheard_needs_a_likely_forecast(text: str, enough: float) -> None:
    assert takes_floor(text, enough)
    assert not takes_floor(text, enough - 0.01)


def test_our_own_words_coming_back_are_no_interruption() -> None:
    ours = "The lighthouse keeper climbed the stairs, and what he saw was the sea."
    assert not takes_floor("keeper climbed the stays and what he", 1.0, ours)
    assert not takes_floor("Lighthouse", 1.0, ours)
    assert takes_floor("And what was the name of the keeper?", 0.3, ours)
    assert takes_floor("Stop.", 0.3, ours + " He did not stop.")


def doubting(sound: str) -> tuple[Call, m.Recognise]:
    """The assistant speaks, and something is heard that is over, or long."""
    call = Call()
    call.speak_turn()
    call.reply(9)
    turns = len(call.told(m.Recognise))
    call.hear("." * 5 + sound)
    asked = call.told(m.Recognise)[turns:]
    assert len(asked) == 1, "the words were asked for once"
    return call, asked[0]


def interrupted(call: Call) -> bool:
    return [d.reply.status for d in call.noticed(n.ReplyDone)] == ["cancelled"]


@pytest.mark.parametrize(("text", "stops"), [("Stop.", True), ("Right.", False), ("", False)])
def test_a_short_sound_is_judged_by_its_words_once_it_is_over(text: str, stops: bool) -> None:
    call, _ = doubting("d" * 8 + "....")
    call.read(text)
    assert interrupted(call) == stops
    call.reply(2)
    assert (len(call.passed_on()) == 11) == (not stops)


def test_a_sound_that_repeats_our_words_lets_us_go_on() -> None:
    call, _ = doubting("l" * 8 + "....")
    call.read("two three four five")
    assert not call.noticed(n.ReplyDone)
    call.reply(2)
    assert len(call.passed_on()) == 11


def test_the_whole_sound_is_read() -> None:
    call, asked = doubting("d" * 8 + "....")
    window = 512
    assert asked.final
    assert asked.end_sample == call.listened
    assert asked.end_sample - asked.start_sample == pytest.approx(12 * window + 1600, abs=1)


def test_a_long_sound_is_read_while_it_lasts_and_again_when_it_is_over() -> None:
    call, _ = doubting("d" * 20)
    call.read("Okay")
    assert not call.noticed(n.ReplyDone), "it goes on"
    assert len(call.noticed(n.SpeechStarted)) == 1
    call.hear("dd....")
    call.read("Okay, but stop.")
    assert interrupted(call)


def test_words_that_cannot_be_read_leave_it_to_the_forecast() -> None:
    for sound, stops in (("l" * 8 + "....", True), ("d" * 8 + "....", False)):
        call, asked = doubting(sound)
        call.say(m.Recognised("s", asked.request_id, "", failed=True))
        assert interrupted(call) == stops


def test_an_answer_after_the_doubt_changes_nothing() -> None:
    call, asked = doubting("d" * 8 + "....")
    call.hear("." * 40)
    before = len(call.effects)
    call.say(m.Recognised("s", asked.request_id, "Stop!"))
    assert len(call.effects) == before
