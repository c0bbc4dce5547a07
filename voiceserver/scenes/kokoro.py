"""Users who are not our voice: speech for scenes, benches and tests, by Kokoro-82M.

Speech is made once and kept in the cache. These are voices of *users*; the server never uses them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Container, Mapping, Sequence
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
_FRAME_SAMPLES = 600  # Kokoro's unit of duration
_AHEAD_SAMPLES = 960  # it is quietest so much before the middle of a gap by its durations (median)
_DURATIONS = b"/encoder/Clip_output_0"  # inside its graph: frames of each token, [1, tokens]

Style = NDArray[np.float32]  # [1, 256]: timbre in its first half, melody and pace in its second
Mixed = Callable[[Callable[[str], Style]], Style]  # given a style by its name

_PAUSES = ",.;:!?"
_MARK = "|"

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


@dataclass(frozen=True)
class Spoken:
    """Speech, and where it lies between two words at each mark of its text."""

    samples: NDArray[np.float32]  # [S] at RATE_HZ
    marks: tuple[tuple[int, int], ...]  # about from the end of one word to the begin of the next


def speak(text: str, voice: UserVoice = VOICES[0]) -> NDArray[np.float32]:
    """The text in this voice, without silence at either end: [S] at RATE_HZ."""
    return speak_marked(text, voice).samples


def speak_marked(text: str, voice: UserVoice = VOICES[0]) -> Spoken:
    """As `speak`; a text may have marks, `Tell me | a story.`, which do not change its sound."""
    path = _path(text, voice)
    marks_path = path.with_suffix(".json")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        spoken = _synthesize(text, voice)
        if spoken.marks:
            marks_path.write_text(json.dumps(spoken.marks), "utf-8")
        new = path.with_name(f"{path.stem}.{os.getpid()}-{id(text):x}.part.wav")
        sf.write(new, spoken.samples, RATE_HZ, subtype="PCM_16")
        new.replace(path)
    samples, rate_hz = sf.read(path, dtype="float32")
    assert rate_hz == RATE_HZ, f"{path} is at {rate_hz} Hz"
    marks = json.loads(marks_path.read_text("utf-8")) if _MARK in text else ()
    shifted = tuple((begin - _AHEAD_SAMPLES, end - _AHEAD_SAMPLES) for begin, end in marks)
    return Spoken(np.asarray(samples, np.float32), shifted)


def is_spoken(text: str, voice: UserVoice) -> bool:
    """Whether the cache has this speech already."""
    return _path(text, voice).exists()


def _path(text: str, voice: UserVoice) -> Path:
    key = hashlib.sha256(repr((_RECIPE, voice, text)).encode()).hexdigest()[:20]
    return cache_folder() / "user_speech" / f"{voice.name}-{key}.wav"


def to_kokoro(ipa: str, vocabulary: Mapping[str, int]) -> list[int]:
    """espeak's phonemes as Kokoro's token ids; signs it does not know are left out."""
    for espeak, kokoro in _NOTATION:
        ipa = ipa.replace(espeak, kokoro)
    return [vocabulary[sign] for sign in ipa if sign in vocabulary]


def _synthesize(text: str, voice: UserVoice) -> Spoken:
    def mixed(style: Callable[[str], Style]) -> Style:
        mixture: Style = np.sum([weight * style(name) for name, weight in voice.mix], axis=0)
        return mixture

    return synthesize(text, mixed, voice.speed)


def synthesize(text: str, mixed: Mixed, speed: float) -> Spoken:
    """A text that may have marks, said in a mixture of styles; nothing is cached."""
    model, styles, vocabulary = _kokoro()
    tokens: list[int] = []
    marked: list[int] = []  # tokens before each mark
    for part in _phonemes(text).split(f"{_MARK} "):
        marked.append(len(tokens))
        tokens += to_kokoro(part, vocabulary)
    assert 0 < len(tokens) < 500, f"{len(tokens)} tokens: {text[:60]}"
    # a style has one vector a length of text: [510, 1, 256] -> [1, 256]
    style = mixed(lambda name: styles[name][len(tokens) - 1])
    audio, frames = model.run(
        None,
        {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": np.asarray(style, np.float32),
            "speed": np.array([speed], np.float32),
        },
    )
    begins = np.cumsum([0, *np.asarray(frames).ravel()[:-1]]).astype(int) * _FRAME_SAMPLES
    silent = {vocabulary[sign] for sign in f" {_PAUSES}"}
    gaps = [_gap(place, tokens, silent) for place in marked[1:]]
    # the first token of the model's is its own
    spans = [(int(begins[begin + 1]), int(begins[end + 1])) for begin, end in gaps]
    return _trimmed(np.asarray(audio, np.float32).ravel(), spans)


def _gap(place: int, tokens: Sequence[int], silent: Container[int]) -> tuple[int, int]:
    """The spaces and punctuation around a place between tokens."""
    begin, end = place, place
    while begin > 0 and tokens[begin - 1] in silent:
        begin -= 1
    while end < len(tokens) and tokens[end] in silent:
        end += 1
    return begin, end


def _trimmed(audio: NDArray[np.float32], spans: Sequence[tuple[int, int]]) -> Spoken:
    """At _PEAK, without silence at the ends: the last sample is the end of the last word."""
    peak = float(np.abs(audio).max())
    assert peak > 0, "the voice was silent"
    loud = np.flatnonzero(np.abs(audio) > _EDGE_LEVEL * peak)
    first = int(loud[0])
    samples = audio[first : loud[-1] + 1] * np.float32(_PEAK / peak)
    return Spoken(samples, tuple((begin - first, end - first) for begin, end in spans))


@lru_cache(maxsize=1)
def _kokoro() -> tuple[ort.InferenceSession, dict[str, NDArray[np.float32]], dict[str, int]]:
    folder = resolve("nano", ("user_voices",))["user_voices"]
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = (folder / "kokoro-v1.0.int8.onnx").read_bytes() + _output(_DURATIONS)
    model = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    with np.load(folder / "voices_ja.npz") as stored:
        styles = {name: stored[name] for name in stored.files}
    return model, styles, _vocabulary(folder)


def _vocabulary(folder: Path) -> dict[str, int]:
    vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text("utf-8"))["vocab"]
    return vocabulary


def _output(name: bytes) -> bytes:
    """Protobuf that, appended to an ONNX file, makes an inner tensor an output of its graph."""

    def message(field: int, content: bytes) -> bytes:
        assert len(content) < 128, "a longer length takes more than a byte"
        return bytes([field << 3 | 2, len(content)]) + content

    return message(7, message(12, message(1, name)))  # ModelProto.graph.output.name


def _phonemes(text: str) -> str:
    """espeak's phonemes with the text's marks, and its punctuation, which shapes the melody."""
    spoken = [
        piece if piece in _PAUSES else " ".join(_groups(piece))
        for piece in re.split(f"([{_PAUSES}])", text)
        if piece.strip()
    ]
    return re.sub(f" ([{_PAUSES}])", r"\1", " ".join(spoken))


def _groups(piece: str) -> list[str]:
    """A phrase as espeak groups its phonemes; a mark stays a group of its own."""
    parts = [part.split() for part in piece.split(_MARK)]
    groups = list(phoneme_groups(" ".join(word for part in parts for word in part)))
    if len(groups) != sum(map(len, parts)):  # not one a word: said part by part
        return f" {_MARK} ".join(" ".join(phoneme_groups(" ".join(p))) for p in parts).split()
    found: list[str] = []
    for number, part in enumerate(parts):
        found += [_MARK] * (number > 0) + groups[: len(part)]
        groups = groups[len(part) :]
    return found
