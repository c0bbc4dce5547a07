"""Judges of sounds: their files, and what they say of voices and words nobody trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from voiceserver.assets import resolve
from voiceserver.audio.pooling import FLOOR, STATE_SAMPLES, Pooling
from voiceserver.config import policy_folder
from voiceserver.engine.nano.recogniser import Recogniser
from voiceserver.errors import AssetError
from voiceserver.nn import judges
from voiceserver.scenes.texts import texts
from voiceserver.scenes.voices import BASES, Samples, Voice, speak

LISTENING = ("Uh-huh.", "Mm-hm.", "Yeah.", "Right.", "Okay.", "Oh, I see.")
CUT_S = 0.8  # so much of a sound is heard
VOICES = [Voice(base) for base in BASES["held_out"][:2]]
UNFINISHED = 0.55  # share of a sentence's samples


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(resolve("nano")["listener"])


def judged(judge: judges.SoundJudge, recogniser: Recogniser, sound: Samples) -> float:
    heard = sound * np.float32(0.3)
    states = recogniser.states(judge.question.pooling.to_encode(heard))
    return judge.probability(states, len(heard))


def test_held_out_voices_and_words_are_told_apart_while_they_still_speak(
    recogniser: Recogniser,
) -> None:
    judge = judges.load(judges.FLOOR, policy_folder())
    spoken = {
        takes_floor: [
            judged(judge, recogniser, speak(text, VOICES[i % 2]).samples[: int(CUT_S * 16_000)])
            for i, text in enumerate(said)
        ]
        for takes_floor, said in (
            (True, texts("interruptions", "held_out")[:8]),
            (False, LISTENING),
        )
    }
    assert np.median(spoken[True]) > 0.8
    assert min(spoken[True]) > max(spoken[False])
    assert max(spoken[False]) < 0.3
    assert judged(judge, recogniser, np.zeros(8000, np.float32)) < 0.3


def test_a_sentence_broken_off_sounds_less_complete_than_the_whole(recogniser: Recogniser) -> None:
    judge = judges.load(judges.TURN_END, policy_folder())
    quiet = np.zeros(1600, np.float32)
    whole, broken = [], []
    for i, text in enumerate(texts("questions", "held_out")[:8]):
        sound = speak(text.replace("| ", ""), VOICES[i % 2]).samples
        part = sound[: int(len(sound) * UNFINISHED)]
        whole.append(judged(judge, recogniser, np.concatenate([sound, quiet])))
        broken.append(judged(judge, recogniser, np.concatenate([part, quiet])))
    assert np.mean(np.array(whole) > np.array(broken)) >= 0.75
    assert np.median(whole) > 0.5 > np.median(broken)


def test_of_a_long_sound_the_end_is_encoded() -> None:
    sound = np.arange(40_000, dtype=np.float32)
    encoded, kept = FLOOR.to_encode(sound), FLOOR.longest_states * STATE_SAMPLES
    assert len(encoded) == kept + FLOOR.silent_states * STATE_SAMPLES
    assert encoded[:kept].tolist() == sound[-kept:].tolist()
    assert not encoded[kept:].any()


def test_only_states_of_the_sound_are_pooled() -> None:
    pooling = Pooling(10, 2, (("mean", 1500), ("max", 3)))
    states = np.arange(12, dtype=np.float32)[:, None].repeat(384, 1)
    pooled = pooling.pooled(states, 4 * STATE_SAMPLES - 5)
    assert len(pooled) == pooling.features
    assert (pooled[0], pooled[384]) == (1.5, 3.0)
    assert pooled[-1] == np.float32(0.08)


@pytest.mark.parametrize("question", [judges.FLOOR, judges.TURN_END])
def test_a_judge_is_written_and_read_again(tmp_path: Path, question: judges.Question) -> None:
    torch.manual_seed(0)
    judge = judges.Judge(question)
    judges.save(judge, tmp_path, {"seed": 0})
    again = judges.load(question, tmp_path)
    features = torch.randn(3, question.pooling.features)
    assert torch.allclose(judge(features), again(features), atol=2e-3)
    (tmp_path / judges.weights_file(question)).write_bytes(b"nothing")
    with pytest.raises(AssetError):
        judges.load(question, tmp_path)
