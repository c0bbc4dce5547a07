"""Speakers who exist once, and what they have read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.kokoro import Style
from voiceserver.scenes.voices import BASES
from voiceserver.training.duplex import crowd
from voiceserver.training.duplex.crowd import READINGS, STYLES, Speaker, fill_crowd, read_crowd
from voiceserver.training.replies import Reply

REPLIES = [Reply("How are you?", "Bees make honey in their hives. They also dance.")]


def test_nobody_held_out_is_in_the_crowd() -> None:
    held_out = {name for base in BASES["held_out"] for name, _ in base.mix}
    assert {"jf_nezumi", "jf_tebukuro"} <= held_out
    assert not {"jf_nezumi", "jf_tebukuro"} & set(STYLES)


def test_speakers_differ_and_their_weights_add_up() -> None:
    drawn = [Speaker.drawn(np.random.default_rng(i)) for i in range(50)]
    for weights in ([s.timbre for s in drawn], [s.melody for s in drawn]):
        assert np.allclose(np.sum(weights, axis=1), 1.0)
        assert np.min(weights) < 0.0, "somewhat beyond the styles"
        assert len(set(weights)) == len(drawn)


def test_timbre_and_melody_are_mixed_apart() -> None:
    speaker = Speaker((1.0, 0.0, 0.0), (0.0, 0.5, 0.5), speed=1.0)

    def style(name: str) -> Style:
        return np.full((1, 256), STYLES.index(name), np.float32)

    mixed = speaker._style(style)
    assert mixed.shape == (1, 256)
    assert mixed.dtype == np.float32
    assert set(mixed[0, :128].tolist()) == {0.0}
    assert set(mixed[0, 128:].tolist()) == {1.5}


def test_a_crowd_reads_once_and_is_heard_in_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()

    def read(path: Path, _speaker: Speaker, text: str) -> None:
        asked[path.parent.name] += 1
        sf.write(path, np.full(8000, 0.1, np.float32), LISTEN_RATE_HZ, subtype="PCM_16")
        path.with_suffix(".json").write_text(f'{{"text": "{text[:5]}", "marks": [[100, 200]]}}')

    monkeypatch.setattr(crowd, "_read", read)
    for _ in range(2):
        assert list(fill_crowd(tmp_path, REPLIES, range(2), 0))[-1] == crowd.crowd_readings(2)
    assert asked == {"0000": crowd.crowd_readings(1), "0001": crowd.crowd_readings(1)}
    (tmp_path / "0002").mkdir()  # somebody who has read nothing yet
    people, random = read_crowd(tmp_path), np.random.default_rng(0)
    assert len(people) == 2
    for kind in READINGS:
        voice = people.voice(random)
        _, spoken = people.say(random, kind, voice)
        assert len(spoken.samples) == pytest.approx(8000 / voice[1], rel=0.01)
        assert spoken.marks == ((round(100 / voice[1]), round(200 / voice[1])),)


def test_a_speaker_says_a_text_and_tells_where_its_marks_are() -> None:
    spoken = Speaker.drawn(np.random.default_rng(1)).read("Good | morning.")
    [(begin, end)] = spoken.marks
    assert 0.2 < len(spoken.samples) / LISTEN_RATE_HZ < 3.0
    assert 0 < begin <= end < len(spoken.samples)
