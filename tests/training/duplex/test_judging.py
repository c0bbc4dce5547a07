"""Sounds with known meaning, and judges that learn from them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from voiceserver.engine.nano.recogniser import Recogniser
from voiceserver.nn.judges import FLOOR, TURN_END
from voiceserver.scenes.kokoro import Spoken
from voiceserver.training.duplex import judging
from voiceserver.training.duplex.judging import Judged, examples, measured
from voiceserver.training.duplex.sounds import OVER_US, Sound, over_us, pauses_and_ends
from voiceserver.training.duplex.speech import PiperBank

Samples = NDArray[np.float32]
Random = np.random.Generator


class Hum:
    """In the place of users: everything is said with the same hum, half a second a phrase."""

    def voice(self, random: Random) -> float:
        return float(random.uniform(90, 200))

    def say(self, random: Random, kind: str, voice: float) -> tuple[str, Spoken]:
        phrases = 3 if kind in ("questions", "long_turns") else 1
        t = np.arange(int(0.5 * phrases * 16_000)) / 16_000
        samples = (0.2 * np.sin(2 * np.pi * voice * t)).astype(np.float32)
        marks = tuple((8000 * i, 8000 * i) for i in range(1, phrases))
        return " | ".join(["hum"] * phrases), Spoken(samples, marks)


class Ours:
    def own(self, random: Random) -> list[Samples]:
        return [(0.1 * random.standard_normal(40_000)).astype(np.float32)]


class Ears:
    """In the place of Whisper: states that say only how loud it was."""

    def __init__(self) -> None:
        self.asked = 0

    def states(self, samples: Samples) -> Samples:
        self.asked += 1
        power = np.square(samples).reshape(-1, 320).mean(axis=1)
        return np.repeat(power[:, None], 384, 1).astype(np.float32)


OURS = cast(PiperBank, Ours())


def drawn(count: int, seed: int = 0) -> list[Sound]:
    return [
        sound
        for number in range(count)
        for sound in over_us(np.random.default_rng([seed, number]), Hum(), OURS, "training")
    ]


def test_all_that_may_be_heard_over_us_is_drawn_and_the_same_seed_gives_the_same() -> None:
    sounds, again = drawn(60), drawn(60)
    assert {sound.kind for sound in sounds} == {kind for _, kind in OVER_US.values()}
    assert {kind for _, kind in OVER_US.values()} == set(FLOOR.classes)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(sounds, again, strict=True))
    assert sum(share for share, _ in OVER_US.values()) == pytest.approx(1.0)


def test_a_sound_is_heard_up_to_different_moments() -> None:
    lengths = [len(sound.samples) / 16_000 for sound in drawn(40)]
    assert 0.2 < min(lengths) < 0.5
    assert 1.2 < max(lengths) < 2.0


def test_a_turn_has_one_end_and_its_pauses() -> None:
    found: Counter[str] = Counter()
    for number in range(30):
        random = np.random.default_rng(number)
        sounds = list(pauses_and_ends(random, Hum(), "training"))
        assert [sound.kind for sound in sounds].count("yields") == 1
        assert sounds[-1].kind == "yields"
        assert {sound.kind for sound in sounds} <= set(TURN_END.classes)
        found.update(sound.kind for sound in sounds)
    assert found["goes_on"] > 10


def test_examples_are_made_once(tmp_path: Path) -> None:
    ears, told = Ears(), list[int]()

    def make() -> Judged:
        heard = cast(Recogniser, ears)
        return examples(
            FLOOR, lambda random: over_us(random, Hum(), OURS, "training"), heard, 5, 3, told.append
        )

    made = [Judged.kept(tmp_path / "floor.npz", make) for _ in range(2)]
    assert ears.asked == len(made[0].classes)
    assert told == [1, 2, 3, 4, 5]
    assert np.array_equal(made[0].features, made[1].features)
    assert made[0].features.shape[1] == FLOOR.features


def test_a_judge_learns_and_the_same_seed_gives_the_same_judge() -> None:
    random = np.random.default_rng(0)
    classes = random.integers(0, 2, 800)
    features = random.standard_normal((800, TURN_END.features)).astype(np.float32)
    features[:, :40] += 2.0 * classes[:, None]
    judged = Judged(features, classes)
    judge, again = judging.train(TURN_END, judged, 1), judging.train(TURN_END, judged, 1)
    with torch.inference_mode():
        logits = judge(torch.from_numpy(features))
        assert torch.equal(logits, again(torch.from_numpy(features)))
    assert (logits.argmax(-1).numpy() == classes).mean() > 0.97
    table = measured(judge, judged)
    assert all(f"| {name} |" in table for name in TURN_END.classes)
