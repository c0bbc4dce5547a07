"""What tells the end of a turn from a pause inside it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from forecast_kit import Call
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.engine import messages as m
from voiceserver.session import notices as n
from voiceserver.session.turns.evidence import TurnEvidence

probabilities = st.floats(0.0, 1.0)
silences = st.floats(0.0, 3.0)
maybe = st.none() | probabilities
evidence = st.builds(TurnEvidence, maybe, maybe)


@given(evidence, probabilities, probabilities, silences, st.floats(0.0, 1.0))
def test_a_surer_forecast_and_a_longer_silence_never_make_an_end_less_likely(
    heard: TurnEvidence, one: float, other: float, silent_s: float, more_s: float
) -> None:
    low, high = sorted((one, other))
    assert heard.probability(low, silent_s) <= heard.probability(high, silent_s)
    assert heard.probability(one, silent_s) <= heard.probability(one, silent_s + more_s)


@given(evidence, probabilities, silences, probabilities, probabilities)
def test_what_sounds_or_reads_more_complete_is_never_less_likely_an_end(
    heard: TurnEvidence, yields: float, silent_s: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))

    def over(heard: TurnEvidence) -> float:
        return heard.probability(yields, silent_s)

    assert over(replace(heard, sounds_complete=low)) <= over(replace(heard, sounds_complete=high))
    assert over(replace(heard, words_complete=low)) <= over(replace(heard, words_complete=high))


@given(probabilities, silences, maybe, maybe)
def test_a_witness_who_has_not_been_heard_speaks_for_neither_side(
    yields: float, silent_s: float, words: float | None, sounds: float | None
) -> None:
    alone = TurnEvidence(None, words).probability(yields, silent_s)
    assert TurnEvidence(0.5, words).probability(yields, silent_s) == pytest.approx(alone)
    unread = TurnEvidence(sounds).probability(yields, silent_s)
    assert TurnEvidence(sounds, 0.5).probability(yields, silent_s) == pytest.approx(unread)
    assert TurnEvidence(sounds, 0.9).probability(yields, silent_s) >= unread
    assert TurnEvidence(sounds, 0.01).probability(yields, silent_s) <= unread


def prepared(call: Call) -> tuple[str, int, str]:
    respond = call.told(m.Respond)[-1]
    return respond.session_id, respond.epoch, respond.response_id


@pytest.mark.parametrize(
    ("text", "complete", "ends"),
    [
        ("How is the weather?", 0.95, True),
        ("How is?", 0.01, False),
        ("It is raining.", 0.95, True),
        ("It is", 0.01, False),
        ("How is the weather?", None, False),
    ],
)
def test_a_whole_sentence_ends_a_turn_of_which_the_forecast_is_unsure(
    text: str, complete: float | None, ends: bool
) -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "v" * 3)
    call.read(text)
    call.say(m.TextDelta(*prepared(call), "It ", complete))
    call.hear("v" * 6)
    assert bool(call.noticed(n.SpeechStopped)) == ends


def test_what_is_told_of_words_before_an_earlier_pause_says_nothing_of_the_next() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "---")
    call.read("How is the weather?")
    before = prepared(call)
    call.hear("-" * 3 + "#" * 10 + "vvv")
    call.say(m.TextDelta(*before, "It ", 0.95))
    call.hear("v" * 6)
    assert not call.noticed(n.SpeechStopped)
