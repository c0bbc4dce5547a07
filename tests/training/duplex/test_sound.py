"""From texts to features: marks between words, shards on disk, hearing as the engine hears."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from voiceserver.audio.duplex_features import FEATURES, DuplexFeatures
from voiceserver.audio.pronunciation import pronounce
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.scenes.dialogues import Dialogue
from voiceserver.scenes.stage import Event
from voiceserver.training.duplex import features as features_module
from voiceserver.training.duplex import shards as shards_module
from voiceserver.training.duplex.features import heard
from voiceserver.training.duplex.piper import MARK, _marked_words
from voiceserver.training.duplex.shards import read_shards, write_shard
from voiceserver.training.duplex.speech import bank_size
from voiceserver.training.duplex.texts import drawn_text, marked
from voiceserver.training.replies import Reply

WINDOWS = 60
REPLIES = [Reply("", "The sea is salty. Rivers carry minerals into it, little by little.")]


def test_marks_are_found_in_the_words() -> None:
    text = "Tell me | a story. | Or sing | for me."
    words = pronounce(text.replace(MARK, ""))
    places = _marked_words(text, words)
    found = [word.text.strip() for word in words if word.char_start in places]
    assert found == ["a", "Or", "for"]


@pytest.mark.parametrize(
    "kind", ["questions", "long_turns", "interruptions", "broadcasts", "asides", "fillers"]
)
def test_texts_can_be_spoken_with_their_marks(kind: str) -> None:
    random = np.random.default_rng(3)
    for _ in range(10):
        text = drawn_text(random, kind, REPLIES)
        words = pronounce(text.replace(MARK, ""))
        assert len(_marked_words(text, words)) == text.count("|")


def test_marks_are_put_inside() -> None:
    random = np.random.default_rng(0)
    parts = marked(random, "one two three four five six").split("|")
    assert len(parts) in (2, 3)
    assert all(part.split() for part in parts)
    assert " ".join("".join(parts).split()) == "one two three four five six"
    assert marked(random, "Stop it.") == "Stop it."


def test_bank_size_counts_our_own_replies() -> None:
    assert bank_size(100) == 135


class _AlwaysVoice:
    """In silero's place: all windows are half a voice."""

    def __init__(self, file: Path, slots: int) -> None:
        pass

    def step(self, slots: Sequence[int], windows: np.ndarray) -> list[float]:
        return [0.6] * len(slots)


@pytest.fixture
def dialogues(monkeypatch: pytest.MonkeyPatch) -> list[Dialogue]:
    """Somebody speaks; we speak and come back as an echo 96 ms later."""
    monkeypatch.setattr(features_module, "VoiceActivity", _AlwaysVoice)
    random = np.random.default_rng(0)
    samples = WINDOWS * VAD_WINDOW_SAMPLES
    syllables = np.sin(2 * np.pi * 4 * np.arange(samples) / LISTEN_RATE_HZ).clip(0)
    speech = (0.1 * random.normal(size=samples) * syllables).astype(np.float32)
    silence = np.zeros(samples, np.float32)
    echo = np.concatenate([silence[:1536], 0.2 * speech])[:samples]
    events = (Event("turn", 0, samples),)
    return [Dialogue(speech, silence, events), Dialogue(echo, speech, events)]


def test_heard_as_the_engine_hears(dialogues: list[Dialogue]) -> None:
    features, voices = heard(dialogues, WINDOWS, Path("unused"))
    assert features.shape == (2, WINDOWS, FEATURES)
    assert voices[0, :, 1].max() == 0.0  # nothing of ours
    assert np.median(voices[1, -8:, 1]) > 0.5  # nothing but ours, silent between syllables
    ears = DuplexFeatures()
    pcm16 = np.round(dialogues[0].user * 32767).astype(np.int16) / np.float32(32768)
    for number, window in enumerate(pcm16.reshape(WINDOWS, -1)):
        expected = ears.step(window, np.zeros(VAD_WINDOW_SAMPLES, np.float32), 0.6, 0.0)
        np.testing.assert_allclose(features[0, number], expected, atol=1e-5)


def test_a_shard_is_made_once_and_read_back(
    dialogues: list[Dialogue], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "WINDOWS", WINDOWS)
    made = []

    def make(random: np.random.Generator) -> Dialogue:
        made.append(random.integers(1 << 30))
        return dialogues[0]

    for _ in range(2):
        write_shard(tmp_path, 3, [7], make, Path("unused"))
    assert len(made) == len(set(made)) == shards_module.DIALOGUES
    (shard,) = read_shards(tmp_path)
    assert shard.events == [list(dialogues[0].events)] * shards_module.DIALOGUES
    assert shard.features.shape == (shards_module.DIALOGUES, WINDOWS, FEATURES)
