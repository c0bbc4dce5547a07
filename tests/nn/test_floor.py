"""The judge of sounds over the assistant's: its file, and what it says of sounds nobody trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from voiceserver.assets import resolve
from voiceserver.audio.floor_features import ENCODED_SAMPLES, FEATURES, to_encode
from voiceserver.config import policy_folder
from voiceserver.engine.nano.recogniser import Recogniser
from voiceserver.errors import AssetError
from voiceserver.nn import floor
from voiceserver.scenes.texts import texts
from voiceserver.scenes.voices import BASES, Voice, speak

LISTENING = ("Uh-huh.", "Mm-hm.", "Yeah.", "Right.", "Okay.", "Oh, I see.")
CUT_S = 0.8  # so much of a sound is heard


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(resolve("nano")["listener"])


def test_held_out_voices_and_words_are_told_apart_while_they_still_speak(
    recogniser: Recogniser,
) -> None:
    judge = floor.load(policy_folder())
    voices = [Voice(base) for base in BASES["held_out"][:2]]

    def judged(text: str, voice: Voice) -> float:
        sound = speak(text, voice).samples[: int(CUT_S * 16_000)] * np.float32(0.3)
        return judge.takes_floor(recogniser.states(to_encode(sound)), len(sound))

    asking = [
        judged(text, voices[i % 2]) for i, text in enumerate(texts("interruptions", "held_out")[:8])
    ]
    listening = [judged(text, voices[i % 2]) for i, text in enumerate(LISTENING)]
    quiet = recogniser.states(to_encode(np.zeros(8000, np.float32)))
    assert np.median(asking) > 0.8
    assert min(asking) > max(listening)
    assert max(listening) < 0.3
    assert judge.takes_floor(quiet, 8000) < 0.3


def test_of_a_long_sound_the_end_is_encoded() -> None:
    sound = np.arange(40_000, dtype=np.float32)
    encoded = to_encode(sound)
    assert len(encoded) == ENCODED_SAMPLES
    assert encoded[:23_040].tolist() == sound[-23_040:].tolist()
    assert not encoded[23_040:].any()


def test_a_judge_is_written_and_read_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge = floor.FloorJudge()
    floor.save(judge, tmp_path, {"seed": 0})
    again, features = floor.load(tmp_path), torch.randn(3, FEATURES)
    assert torch.allclose(judge(features), again(features), atol=2e-3)
    (tmp_path / floor.WEIGHTS_FILE).write_bytes(b"nothing")
    with pytest.raises(AssetError):
        floor.load(tmp_path)
