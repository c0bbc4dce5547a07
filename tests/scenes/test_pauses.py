from __future__ import annotations

import numpy as np
import pytest
from tones import WORD_S, spoken

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.pauses import AFTER_SENTENCE_S, LONGEST_S, SHORTEST_S, with_pauses

FADE_S = 0.008


@pytest.mark.parametrize("seed", range(20))
def test_a_pause_is_silent_and_words_stand_at_both_its_ends(seed: int) -> None:
    text, speech = spoken(5)
    turn = with_pauses(np.random.default_rng(seed), speech, text, 2)
    assert len(turn.pauses) == 2
    loud = np.abs(turn.samples) > 0.0045  # a hundredth of the peak and a little
    for begin, end in turn.pauses:
        assert not loud[begin:end].any()
        near = int(FADE_S * LISTEN_RATE_HZ)
        assert loud[begin - near : begin].any()
        assert loud[end : end + near].any()
        assert SHORTEST_S - 1e-3 <= (end - begin) / LISTEN_RATE_HZ <= LONGEST_S + 1e-3
    assert loud[:10].any()
    assert loud[-200:].any()


def test_what_is_said_stays_as_long_and_as_loud() -> None:
    text, speech = spoken(4)
    turn = with_pauses(np.random.default_rng(3), speech, text, 1)
    power = float(np.square(turn.samples).sum())
    assert power == pytest.approx(float(np.square(speech.samples).sum()), rel=0.03)
    assert turn.text == "word word word word"


def test_nothing_clicks_where_words_run_into_each_other() -> None:
    text, speech = spoken(2)
    joined = speech.samples[np.abs(speech.samples) > 0]
    place = int(WORD_S * LISTEN_RATE_HZ)
    closed = type(speech)(joined, ((place, place),))
    turn = with_pauses(np.random.default_rng(0), closed, text, 1)
    assert np.abs(np.diff(turn.samples)).max() < 1.2 * np.abs(np.diff(joined)).max()


def test_a_complete_sentence_is_followed_by_a_short_pause_only() -> None:
    _, speech = spoken(2)
    for seed in range(30):
        random = np.random.default_rng(seed)
        turn = with_pauses(random, speech, "I am here. | And you?", 1)
        ((begin, end),) = turn.pauses
        assert (end - begin) / LISTEN_RATE_HZ <= AFTER_SENTENCE_S + 1e-3


def test_fillers_lie_inside_pauses() -> None:
    text, speech = spoken(3)
    filler = spoken(1, hz=100.0)[1].samples
    filled = 0
    for seed in range(40):
        turn = with_pauses(np.random.default_rng(seed), speech, text, 2, [filler])
        for begin, end in turn.fillers:
            filled += 1
            assert any(first < begin < end < last for first, last in turn.pauses)
            np.testing.assert_array_equal(turn.samples[begin:end], filler)
    assert 5 < filled < 40
