"""Users who are not our voice: spoken questions for benches and tests, by Kokoro-82M.

Speech is made once and kept in the cache. These are voices of *users*; the server never uses them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
import soundfile as sf
from numpy.typing import NDArray

from voiceserver.assets import resolve
from voiceserver.audio.espeak import phoneme_groups
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.config import cache_folder

RATE_HZ = WIRE_RATE_HZ  # Kokoro speaks at the wire's rate
_PEAK = 0.5  # of full scale: an ordinary speaking level, with room to add noise
_EDGE_LEVEL = 0.01  # of the peak: quieter than this at either end is not yet speech
_RECIPE = 1  # increment when the sound of cached speech should change

_PAUSES = ",.;:!?"

# espeak's notation -> Kokoro's, which was trained on misaki's: one letter a diphthong or affricate,
# an r after its vowel, no length marks. Longer patterns first.
_NOTATION = (
    ("aɪə", "Iə"),
    ("eɪ", "A"),
    ("aɪ", "I"),
    ("aʊ", "W"),
    ("oʊ", "O"),
    ("ɔɪ", "Y"),
    ("tʃ", "ʧ"),
    ("dʒ", "ʤ"),
    ("ɜː", "ɜɹ"),
    ("ɚ", "əɹ"),
    ("ɐ", "ə"),
    ("ʲ", ""),
    ("r", "ɹ"),
    ("x", "k"),
    ("ç", "k"),
    ("ː", ""),
    ("̩", ""),
)


@dataclass(frozen=True)
class UserVoice:
    """A speaker: Kokoro styles mixed by weight, and how fast they talk."""

    name: str
    mix: tuple[tuple[str, float], ...]
    speed: float = 1.0


VOICES = (
    UserVoice("ada", (("jf_alpha", 1.0),), speed=0.85),
    UserVoice("ken", (("jm_kumo", 1.0),), speed=0.85),
    UserVoice("mia", (("jf_gongitsune", 0.6), ("jf_nezumi", 0.4)), speed=0.92),
    UserVoice("sam", (("jm_kumo", 0.6), ("jf_tebukuro", 0.4)), speed=0.85),
    UserVoice("zoe", (("jf_tebukuro", 0.5), ("jf_alpha", 0.5)), speed=0.9),
    UserVoice("lee", (("jm_kumo", 0.5), ("jf_nezumi", 0.5)), speed=0.92),
)


def speak(text: str, voice: UserVoice = VOICES[0]) -> NDArray[np.float32]:
    """The text in this voice, without silence at either end: [S] at RATE_HZ."""
    key = hashlib.sha256(repr((_RECIPE, voice, text)).encode()).hexdigest()[:20]
    path = cache_folder() / "user_speech" / f"{voice.name}-{key}.wav"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.stem}.{id(text):x}.part.wav")
        sf.write(new, _synthesize(text, voice), RATE_HZ, subtype="PCM_16")
        new.replace(path)
    samples, rate_hz = sf.read(path, dtype="float32")
    assert rate_hz == RATE_HZ, f"{path} is at {rate_hz} Hz"
    return np.asarray(samples, np.float32)


def to_kokoro(ipa: str, vocabulary: Mapping[str, int]) -> list[int]:
    """espeak's phonemes as Kokoro's token ids; signs it does not know are left out."""
    for espeak, kokoro in _NOTATION:
        ipa = ipa.replace(espeak, kokoro)
    return [vocabulary[sign] for sign in ipa if sign in vocabulary]


def _synthesize(text: str, voice: UserVoice) -> NDArray[np.float32]:
    model, styles, vocabulary = _kokoro()
    tokens = to_kokoro(_phonemes(text), vocabulary)
    assert 0 < len(tokens) < 500, f"{len(tokens)} tokens: {text[:60]}"
    # a style has one vector a length of text: [510, 1, 256] -> [1, 256]
    style = sum(weight * styles[name][len(tokens) - 1] for name, weight in voice.mix)
    (audio,) = model.run(
        None,
        {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": np.asarray(style, np.float32),
            "speed": np.array([voice.speed], np.float32),
        },
    )
    return _trimmed(np.asarray(audio, np.float32).ravel())


def _trimmed(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """At _PEAK, without silence at the ends: the last sample is the end of the last word."""
    peak = float(np.abs(audio).max())
    assert peak > 0, "the voice was silent"
    loud = np.flatnonzero(np.abs(audio) > _EDGE_LEVEL * peak)
    return audio[loud[0] : loud[-1] + 1] * np.float32(_PEAK / peak)


@lru_cache(maxsize=1)
def _kokoro() -> tuple[ort.InferenceSession, dict[str, NDArray[np.float32]], dict[str, int]]:
    folder = resolve("nano", ("user_voices",))["user_voices"]
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    model = ort.InferenceSession(
        str(folder / "kokoro-v1.0.int8.onnx"), options, providers=["CPUExecutionProvider"]
    )
    with np.load(folder / "voices_ja.npz") as stored:
        styles = {name: stored[name] for name in stored.files}
    return model, styles, _vocabulary(folder)


def _vocabulary(folder: Path) -> dict[str, int]:
    vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text("utf-8"))["vocab"]
    return vocabulary


def _phonemes(text: str) -> str:
    """espeak's phonemes, with the punctuation of the text, which shapes the melody."""
    spoken = [
        piece if piece in _PAUSES else " ".join(phoneme_groups(piece))
        for piece in re.split(f"([{_PAUSES}])", text)
        if piece.strip()
    ]
    return re.sub(f" ([{_PAUSES}])", r"\1", " ".join(spoken))
