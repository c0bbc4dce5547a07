from __future__ import annotations

from voiceserver.bench import listening


def test_real_speech_is_understood_live() -> None:
    """One question by a real Whisper; many are what the bench is for."""
    report = listening.run("tiny.en", questions=1, voices=1, noise=0.001, told=lambda _line: None)
    assert [row[0] for row in report.rows] == ["exact", "live", "exact int8", "live int8"]
    numbers = report.numbers
    assert numbers["exact"]["feature_error_percent"] == 0
    assert numbers["live"]["word_error_percent"] == numbers["exact"]["word_error_percent"] == 0
    assert 0 < numbers["exact int8"]["feature_error_percent"] < 15
    assert 0 < numbers["live"]["feature_error_percent"] < 35
