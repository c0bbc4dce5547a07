"""Who speaks in training dialogues: the scenes' Kokoro voices, and a bank of Piper readings.

Both are `scenes.speech.Speech`: a voice is drawn, and says something of a kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.kokoro import Spoken, is_spoken
from voiceserver.scenes.texts import KINDS, Part, texts
from voiceserver.scenes.voices import Voice, heard_at, speak, voices
from voiceserver.training.duplex.piper import Manner, PiperSpeaker, Samples
from voiceserver.training.duplex.texts import drawn_text
from voiceserver.training.replies import Reply

Random = np.random.Generator

# Readings of each kind, of a bank of one hundred per cent.
BANK_SHARES = {
    "questions": 0.42,
    "long_turns": 0.16,
    "interruptions": 0.17,
    "backchannels": 0.12,
    "asides": 0.07,
    "fillers": 0.03,
    "broadcasts": 0.03,
}
SIZES = (0.78, 1.42)  # of Piper's users; ours is 1.0
TOO_LIKE_US = (0.95, 1.05)
OWN_SHARE = 0.35  # of the size of the bank: replies in our own voice
LONGEST_OWN_CHARS = 260
OWN_SOUNDS = 8  # a dialogue
OWN_SECONDS = (2.5, 7.0)  # as much of a reply is heard, so that much happens in a dialogue


class CachedSpeech:
    """The scenes' voices of one part, with what the cache has of them."""

    def __init__(self, part: Part) -> None:
        self._said: dict[Voice, dict[str, list[str]]] = {}
        for voice in voices(part):
            said = {
                kind: [text for text in texts(kind, part) if is_spoken(text, voice.base)]
                for kind in KINDS
            }
            if all(said.values()):
                self._said[voice] = said

    def __len__(self) -> int:
        return len(self._said)

    def voice(self, random: Random) -> Voice:
        return list(self._said)[int(random.integers(len(self._said)))]

    def say(self, random: Random, kind: str, voice: Voice) -> tuple[str, Spoken]:
        choices = self._said[voice][kind]
        text = choices[int(random.integers(len(choices)))]
        return text, speak(text, voice)


@dataclass(frozen=True)
class Stored:
    path: Path
    text: str
    marks: tuple[tuple[int, int], ...]

    def read(self) -> Samples:
        samples, rate_hz = sf.read(self.path, dtype="float32")
        assert rate_hz == LISTEN_RATE_HZ, self.path
        return np.asarray(samples, np.float32)


class PiperBank:
    """Readings on disk, each heard from speakers of any size."""

    def __init__(self, stored: Mapping[str, Sequence[Stored]]) -> None:
        self._stored = stored

    def voice(self, random: Random) -> float:
        """A size, which is what tells these speakers apart."""
        size = 1.0
        while TOO_LIKE_US[0] < size < TOO_LIKE_US[1]:
            size = float(random.uniform(*SIZES))
        return size

    def say(self, random: Random, kind: str, voice: float) -> tuple[str, Spoken]:
        return one_of(random, self._stored[kind], voice)

    def own(self, random: Random) -> list[Samples]:
        """A few replies in our own voice, some cut short."""
        stored = self._stored["own"]
        sounds = []
        for number in random.choice(len(stored), min(OWN_SOUNDS, len(stored)), replace=False):
            most = round(random.uniform(*OWN_SECONDS) * LISTEN_RATE_HZ)
            sounds.append(stored[int(number)].read()[:most])
        return sounds


def one_of(random: Random, choices: Sequence[Stored], size: float) -> tuple[str, Spoken]:
    """Text and sound of one of them, as somebody larger or smaller would say it."""
    chosen = choices[int(random.integers(len(choices)))]
    return chosen.text, heard_at(Spoken(chosen.read(), chosen.marks), LISTEN_RATE_HZ * size)


def bank_size(readings: int) -> int:
    """So many of users, and our own beside them."""
    return len(_bank_kinds(readings))


def _bank_kinds(readings: int) -> list[str]:
    kinds = [kind for kind, share in BANK_SHARES.items() for _ in range(round(share * readings))]
    return kinds + ["own"] * round(OWN_SHARE * readings)


def fill_bank(
    folder: Path,
    speaker: PiperSpeaker,
    replies: Sequence[Reply],
    readings: int,
    seed: int,
    told: Callable[[int], None] = lambda _done: None,
) -> None:
    """Read what is missing of a bank; the same seed gives the same bank."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = _bank_kinds(readings)
    order = np.random.default_rng(seed).permutation(len(kinds))
    for done, number in enumerate(order):
        path = folder / f"{kinds[number]}-{number:05d}.wav"
        if not path.with_suffix(".json").exists():
            _fill(path, speaker, replies, kinds[number], np.random.default_rng([seed, number]))
        told(done + 1)


def _fill(
    path: Path, speaker: PiperSpeaker, replies: Sequence[Reply], kind: str, random: Random
) -> None:
    if kind == "own":
        reply = replies[int(random.integers(len(replies)))].text
        text, manner = reply[:LONGEST_OWN_CHARS], Manner(liveliness=0.0, unevenness=0.0)
    else:
        text = drawn_text(random, kind, replies)
        manner = Manner(
            slowness=random.uniform(0.85, 1.3),
            liveliness=random.uniform(0.3, 0.9),
            unevenness=random.uniform(0.4, 1.0),
        )
    spoken = speaker.read(text, manner, random)
    sf.write(path, spoken.samples, LISTEN_RATE_HZ, subtype="PCM_16")
    about = json.dumps({"text": text, "marks": spoken.marks})
    path.with_suffix(".json").write_text(about, encoding="utf-8")  # last: now it is whole


def read_bank(folder: Path) -> PiperBank:
    """What is there of a bank."""
    stored = read_stored(folder)
    missing = {*BANK_SHARES, "own"} - set(stored)
    assert not missing, f"nothing of {missing} in {folder}"
    return PiperBank(stored)


def read_stored(folder: Path) -> dict[str, list[Stored]]:
    """The readings of a folder, by kind."""
    stored: dict[str, list[Stored]] = {}
    for path in sorted(folder.glob("*.json")):
        about = json.loads(path.read_text("utf-8"))
        marks = tuple((int(begin), int(end)) for begin, end in about["marks"])
        kind = path.stem.split("-")[0]
        stored.setdefault(kind, []).append(Stored(path.with_suffix(".wav"), about["text"], marks))
    return stored
