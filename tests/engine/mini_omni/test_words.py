from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceserver.engine.messages import WordTiming
from voiceserver.engine.mini_omni.words import SpeakingRate, Words

FRAME_S = 2048 / 24000


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(["one", " two", "th", "ree ", ", four.", " ", "é"]), max_size=20
    ),
    frames=st.integers(0, 60),
)
def test_every_word_is_timed_once_in_order_within_the_sound(pieces: list[str], frames: int) -> None:
    words, found = Words(SpeakingRate()), list[WordTiming]()
    text = "".join(pieces)
    for index in range(max(frames, len(pieces))):
        if index < len(pieces):
            words.write(pieces[index])
        if index < frames:
            found += words.sound(FRAME_S)
    found += words.finish()
    assert [word.text for word in found] == text.split()
    assert all(text[word.char_start : word.char_end] == word.text for word in found)
    starts = [word.start_s for word in found]
    assert starts == sorted(starts)
    assert all(word.start_s <= word.end_s for word in found)
    assert all(start_s <= frames * FRAME_S + 1e-9 for start_s in starts)


def test_words_come_with_the_sound_they_begin_in() -> None:
    words = Words(SpeakingRate(chars_per_s=10.0))
    words.write("one two three four")
    came = [[word.text for word in words.sound(0.25)] for _ in range(5)]
    # At ten characters a second they begin at 0.1, 0.5, 0.9 and 1.5 s.
    assert came == [["one"], [], ["two"], ["three"], []]
    assert [word.text for word in words.finish()] == ["four"]


def test_the_last_word_ends_with_the_sound() -> None:
    words = Words(SpeakingRate())
    words.write("a rather long sentence for so little sound")
    words.sound(0.5)
    assert words.finish()[-1].end_s == pytest.approx(0.5)


def test_the_speed_is_learned_from_whole_replies() -> None:
    rate = SpeakingRate(chars_per_s=15.0)
    for _ in range(40):
        words = Words(rate)
        words.write("x" * 99)
        words.sound(10.0)
        words.learn()
    assert rate.chars_per_s == pytest.approx(10.0, abs=0.1)


def test_short_replies_teach_nothing() -> None:
    rate = SpeakingRate()
    words = Words(rate)
    words.write("Yes.")
    words.sound(2.0)
    words.learn()
    assert rate == SpeakingRate()
