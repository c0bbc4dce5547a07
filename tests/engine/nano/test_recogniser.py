from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from voiceserver.assets import resolve
from voiceserver.engine.nano.recogniser import NOTHING, Recogniser, without_loop
from voiceserver.nn.whisper.greedy import Reading
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

Floats = NDArray[np.float32]

LONG = "Can you tell me something about the moon?"


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(resolve("nano", quiet=True)["listener"])


def said(text: str, voice: int = 0) -> Floats:
    return soxr.resample(speak(text, VOICES[voice]), RATE_HZ, 16_000).astype(np.float32)


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z ]", "", text.lower()).split()


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        ("What is the capital of France?", 0),
        ("Why is the sky blue?", 2),
        ("How do airplanes stay in the air?", 3),
        (LONG, 4),
    ],
)
def test_a_question_is_understood(recogniser: Recogniser, text: str, voice: int) -> None:
    assert words(recogniser.transcribe(said(text, voice))) == words(text)


def test_silence_around_the_words_changes_nothing(recogniser: Recogniser) -> None:
    samples = np.pad(said("What is the capital of France?"), (8000, 12_000))
    assert words(recogniser.transcribe(samples)) == words("What is the capital of France?")


def test_who_speaks_fast_is_read_to_the_end(recogniser: Recogniser) -> None:
    slow = [said("Why is the sky blue?", 2), said("How do airplanes stay in the air?", 3)]
    samples = np.concatenate([*slow, said(LONG, 4)])
    fast = soxr.resample(samples[np.abs(samples) > 1e-3], 25_600, 16_000).astype(np.float32)
    assert words(recogniser.transcribe(fast))[-1] == "moon"


def test_a_quiet_voice_is_understood(recogniser: Recogniser) -> None:
    quiet = said("Why is the sky blue?", 2) * 0.02
    assert words(recogniser.transcribe(quiet)) == words("Why is the sky blue?")


@pytest.mark.parametrize("seconds", [0.0, 0.05, 1.0, 3.0])
@pytest.mark.parametrize("kind", ["zeros", "white", "clipped", "hum", "not finite"])
def test_noise_is_nothing_said(recogniser: Recogniser, kind: str, seconds: float) -> None:
    count = int(seconds * 16_000)
    white = np.random.default_rng(0).normal(scale=0.1, size=count)
    samples = {
        "zeros": np.zeros(count),
        "white": white,
        "clipped": np.sign(white),
        "hum": 0.2 * np.sin(np.arange(count) * 2 * np.pi * 100 / 16_000),
        "not finite": np.full(count, np.nan),
    }[kind]
    assert recogniser.transcribe(samples.astype(np.float32)) == ""


@pytest.mark.parametrize(("text", "voice"), [("Why is the sky blue?", 2), (LONG, 4)])
def test_what_was_read_earlier_makes_reading_faster_and_changes_nothing(
    recogniser: Recogniser, text: str, voice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, draft = said(text, voice), NOTHING.tokens
    passes: list[int] = []
    decode = recogniser._decoder.read

    def counted(*arguments: Any) -> Reading:
        reading = decode(*arguments)
        passes.append(reading.passes)
        return reading

    monkeypatch.setattr(recogniser._decoder, "read", counted)
    for end in (*range(9600, len(samples), 8000), len(samples)):
        alone, helped = (recogniser.read(samples[:end], given) for given in ((), draft))
        assert helped == alone
        draft = helped.tokens
    assert sum(passes[1::2]) < 0.7 * sum(passes[::2])


def test_more_than_the_window_is_cut_to_its_end(recogniser: Recogniser) -> None:
    question = said("What is the capital of France?")
    samples = np.concatenate([np.zeros(40 * 16_000, np.float32), question])
    assert words(recogniser.transcribe(samples))[-4:] == ["the", "capital", "of", "france"]


def test_a_decoder_that_goes_round_is_cut_to_one_round() -> None:
    assert without_loop("please stop it " * 12) == "please stop it"
    assert without_loop("No, no, no.") == "No, no, no."
    assert without_loop("") == ""
