from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voiceserver.scenes import kokoro
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak_marked


def test_a_mark_lies_between_its_words() -> None:
    spoken = speak_marked("Stop it, | please.", VOICES[0])
    ((begin, end),) = spoken.marks
    assert 0 < begin < end < len(spoken.samples)
    quiet = np.abs(spoken.samples[(begin + end) // 2 - 240 : (begin + end) // 2 + 240]).max()
    assert quiet < 0.1 * np.abs(spoken.samples).max()  # at a comma nobody speaks
    again = speak_marked("Stop it, | please.", VOICES[0])
    np.testing.assert_array_equal(spoken.samples, again.samples)
    assert again.marks == spoken.marks


def test_marks_do_not_change_what_is_said() -> None:
    marked = kokoro._phonemes("Which is | heavier, | gold or | feathers?")
    plain = kokoro._phonemes("Which is heavier, gold or feathers?")
    assert marked.replace("| ", "") == plain
    assert marked.count("|") == 3


def test_a_number_of_several_groups_is_still_marked() -> None:
    assert kokoro._phonemes("In 1984 | it rained.").count("|") == 1


def test_speech_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Speech is kept by its text and voice, and made once."""
    monkeypatch.setattr(kokoro, "cache_folder", lambda: tmp_path)
    made = []

    def synthesize(text: str, voice: kokoro.UserVoice) -> kokoro.Spoken:
        made.append(text)
        return kokoro.Spoken(np.full(RATE_HZ // 2, 0.25, np.float32), ((2000, 3000),))

    monkeypatch.setattr(kokoro, "_synthesize", synthesize)
    for _ in range(2):
        spoken = speak_marked("a | b", VOICES[0])
        assert len(spoken.samples) == RATE_HZ // 2
        assert spoken.marks == ((1040, 2040),)
    assert made == ["a | b"]
    speak_marked("a | b", VOICES[1])
    assert len(made) == 2
