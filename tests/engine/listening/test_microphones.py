"""What a session may ask of its microphone: less noise for voice activity, words as they were."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from voiceserver.assets import resolve
from voiceserver.engine.family import Window
from voiceserver.engine.listening.microphones import Microphones
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

Floats = NDArray[np.float32]
LISTEN_HZ, PACKET = 16_000, 320


@pytest.fixture(scope="module")
def speech() -> Floats:
    """A sentence in noise."""
    said = soxr.resample(
        speak("Wait a moment, I have another question.", VOICES[0]), RATE_HZ, LISTEN_HZ
    )
    hiss = np.random.default_rng(1).normal(0, 0.01, len(said) + 2 * LISTEN_HZ)
    hiss[LISTEN_HZ : LISTEN_HZ + len(said)] += said
    return hiss.astype(np.float32)


@pytest.fixture
def open_slot() -> Iterator[Microphones]:
    files = resolve("nano", quiet=True)
    made = Microphones(files["vad"], files["turn_end"], 1, lambda: None)
    made.open(0, LISTEN_HZ)
    yield made
    made.end()


def listen(microphones: Microphones, heard: Floats) -> list[Window]:
    pcm16 = (np.clip(heard, -1, 1) * 32767).astype("<i2")
    windows: list[Window] = []
    for at in range(0, len(heard), PACKET):
        microphones.hear(0, pcm16[at : at + PACKET].tobytes())
        windows += [w for w in microphones.listen() if isinstance(w, Window)]
    return windows


def test_voice_activity_hears_less_noise_and_words_are_as_they_were(
    open_slot: Microphones, speech: Floats
) -> None:
    plain = listen(open_slot, speech)
    begin = open_slot.position(0)
    open_slot.reduce_noise(0, "near_field")
    reduced = listen(open_slot, speech)
    for windows in (plain, reduced):
        assert sum(w.probability > 0.9 for w in windows) > 20
    pairs = [(p.probability, r.probability) for p, r in zip(plain[10:], reduced[10:], strict=False)]
    assert max(abs(p - r) for p, r in pairs) > 0.01
    heard = (speech * 32767).astype("<i2").astype(np.float32) / 32768
    assert np.array_equal(open_slot.read(0, begin, begin + len(speech)), heard)
    first = heard[512 * 60 - begin % 512 :][:512]
    level_dbfs = 20 * np.log10(np.sqrt(np.mean(np.square(first))))
    assert reduced[60].level_dbfs == pytest.approx(level_dbfs, abs=2.0)  # as loud as it was


def test_windows_follow_each_other_however_often_it_is_switched(
    open_slot: Microphones, speech: Floats
) -> None:
    ends: list[int] = []
    for wanted in (None, "near_field", "far_field", "far_field", None):
        open_slot.reduce_noise(0, wanted)
        ends += [window.end_sample for window in listen(open_slot, speech[: 7 * PACKET])]
    assert ends == [512 * (n + 1) for n in range(len(ends))]
    assert len(ends) == 5 * 7 * PACKET // 512
