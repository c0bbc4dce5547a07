"""Enough texts of each kind, and nothing that training hears in what is held out."""

from __future__ import annotations

import pytest

from voiceserver.scenes.texts import KINDS, SHARED, prompts, texts
from voiceserver.scenes.voices import BASES, PITCHES, spoken_by, to_synthesize, voices

LEAST = {"questions": 150, "long_turns": 40, "interruptions": 30, "backchannels": 15, "asides": 30}


@pytest.mark.parametrize("kind", KINDS)
def test_parts_share_no_text(kind: str) -> None:
    training, held_out = texts(kind, "training"), texts(kind, "held_out")
    if kind in SHARED:
        assert training == held_out
        return
    assert not set(training) & set(held_out)
    assert abs(len(training) - len(held_out)) <= 1
    assert len(training) + len(held_out) >= LEAST.get(kind, 0)
    assert len({*training, *held_out}) == len(training) + len(held_out)


def test_turns_have_places_to_hesitate() -> None:
    for kind in ("questions", "long_turns"):
        for text in (*texts(kind, "training"), *texts(kind, "held_out")):
            parts = text.split("|")
            assert len(parts) >= 2, text
            assert all(part.strip() for part in parts), text
    assert len(prompts()) >= 5


def test_parts_share_no_voice() -> None:
    training = {style for base in BASES["training"] for style, _ in base.mix}
    held_out = {style for base in BASES["held_out"] for style, _ in base.mix}
    assert held_out - training == {"jf_nezumi", "jf_tebukuro"}
    for base in BASES["held_out"]:
        assert sum(weight for style, weight in base.mix if style in training) < 0.5
    assert not set(PITCHES["training"]) & set(PITCHES["held_out"])
    assert len({voice.name for part in BASES for voice in voices(part)}) == 27


def test_everybody_who_may_speak_a_text_is_listed() -> None:
    listed = set(to_synthesize("held_out"))
    for text, base in listed:
        assert base in {voice.base for voice in spoken_by(text, "held_out")}
    once = [base for text, base in listed if text == texts("questions", "held_out")[0]]
    assert len(once) == 1
    everywhere = [base for text, base in listed if text == texts("backchannels", "held_out")[0]]
    assert set(everywhere) == set(BASES["held_out"])
