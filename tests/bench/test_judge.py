from __future__ import annotations

import pytest

from voiceserver.bench.judge import WordErrors, total, transcribe, word_errors
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, UserVoice, speak


@pytest.mark.parametrize(
    ("reference", "heard", "errors", "words"),
    [
        ("The cat sat.", "the cat sat", 0, 3),
        ("It's 12 degrees.", "it is twelve degrees", 0, 4),
        ("The cat sat.", "the dog sat down", 2, 3),
        ("The cat sat.", "", 3, 3),
        ("well-known facts", "well known facts", 0, 3),
        ("", "something", 1, 0),
    ],
)
def test_word_errors(reference: str, heard: str, errors: int, words: int) -> None:
    assert word_errors(reference, heard) == WordErrors(errors, words)


def test_a_total_weighs_by_length() -> None:
    assert total([WordErrors(1, 10), WordErrors(0, 90)]).percent == pytest.approx(1)


@pytest.mark.parametrize("voice", [VOICES[1], VOICES[2]], ids=lambda voice: voice.name)
def test_user_voices_are_understood(voice: UserVoice) -> None:
    text = "How many days are there in a week?"
    samples = speak(text, voice)
    assert 1 < len(samples) / RATE_HZ < 5
    assert word_errors(text, transcribe(samples, RATE_HZ)).errors <= 1
