"""The clips of `bench noise` are what they say they are."""

from __future__ import annotations

import numpy as np
import pytest

from voiceserver.bench import noise as bench


def power(sound: np.ndarray) -> float:
    return float(np.mean(np.square(sound)))


@pytest.mark.parametrize("kind", ["street", "keyboard", "hum"])
@pytest.mark.parametrize("snr_db", [20, 0])
def test_noise_is_as_loud_as_said_and_there_before_and_after(kind: str, snr_db: int) -> None:
    clip = bench.mixed("far", kind, snr_db, 0)
    before = power(clip.sound[: bench.BEFORE])
    speech = bench.SPEECH_RMS["far"] ** 2
    assert 10 * np.log10(speech / before) == pytest.approx(snr_db, abs=4.0)
    assert np.any(clip.sound[-bench.AFTER :])
    assert len(clip.sound) > clip.end + bench.AFTER // 2


def test_the_same_clip_is_drawn_again_and_another_sentence_is_another() -> None:
    first, again, other = (bench.mixed("near", "hum", 10, n) for n in (0, 0, 1))
    assert np.array_equal(first.sound, again.sound)
    assert first.text != other.text


def test_windows_are_those_of_the_engine() -> None:
    clip = bench.mixed("near", "hum", 0, 0)
    raw = list(bench._windows(clip.sound, None))
    reduced = list(bench._windows(clip.sound, "near_field"))
    assert [end for end, _, _ in raw] == [512 * (n + 1) for n in range(len(raw))]
    assert len(raw) - len(reduced) <= 1  # its last frame may not be whole
    late = slice(60, 90)  # noise alone, once the reducer knows it
    left, heard = (np.concatenate([w for _, w, _ in found[late]]) for found in (reduced, raw))
    assert power(left) < 0.3 * power(heard)
    assert reduced[70][2] == raw[70][2]  # levels are of what was heard
