"""A family at work in tests: what a session says to it, and everything that comes of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from voiceserver.assets import resolve
from voiceserver.engine.family import (
    Ended,
    Heard,
    Made,
    Samples,
    Spoken,
    Task,
    Transcript,
    Written,
)
from voiceserver.engine.messages import ChatMessage, WordTiming
from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.model import MiniOmniFamily

PATIENCE_S = 60.0
SLOTS = 3
FRAME_SAMPLES = 2048
HELLO = (ChatMessage("system", "Be kind."), ChatMessage("user", "Hello!", "u"))


def speech(seconds: float, seed: int = 1) -> bytes:
    """Something to hear: int16 at the listening rate."""
    noise = np.random.default_rng(seed).normal(0, 3000, round(seconds * 16_000))
    return noise.astype("<i2").tobytes()


def heard_turn(item_id: str, start: int, end: int, text: str = "") -> ChatMessage:
    return ChatMessage("user", text, item_id, start, end)


@dataclass
class Said:
    """All of one slot's reply."""

    text: str = ""
    pieces: list[Samples] = field(default_factory=list)
    words: list[WordTiming] = field(default_factory=list)
    ended: Ended | None = None

    @property
    def samples(self) -> Samples:
        return np.concatenate([np.zeros(0, np.float32), *self.pieces])


class Table:
    """Drives a family as the loop does, without its pacing."""

    def __init__(self, family: MiniOmniFamily, bell: threading.Event) -> None:
        self.family, self.bell = family, bell
        self.heard: list[Heard] = []
        self.said: dict[int, Said] = {}

    def ask(
        self,
        slot: int,
        dialogue: Sequence[ChatMessage],
        *,
        item_id: str = "a",
        speak: bool = True,
        max_tokens: int = 4,
        seed: int = 7,
        temperature: float = 0.0,
    ) -> None:
        self.said[slot] = Said()
        task = Task(tuple(dialogue), speak, max_tokens, temperature, seed, None, item_id)
        self.family.begin(slot, task)

    def tick(self, *, talk: bool = True) -> None:
        """One pass: listen, think, talk; waits where only the codec's thread works."""
        self.heard += self.family.listen()
        self.take(self.family.think())
        slots = self.family.work().talking
        if talk and slots:
            self.take(self.family.talk(slots))
        work = self.family.work()
        if self.family.decoding and not (work.listening or work.thinking or work.talking):
            assert self.bell.wait(PATIENCE_S), "the codec does not come back"
        self.bell.clear()

    def take(self, made: Sequence[Made]) -> None:
        for piece in made:
            said = self.said[piece.slot]
            assert said.ended is None, "something after the end"
            match piece:
                case Written(_, text):
                    said.text += text
                case Spoken(_, samples, words):
                    said.pieces.append(samples)
                    said.words += words
                case Ended():
                    said.ended = piece

    def finish(self, *slots: int) -> list[Said]:
        """Work until these replies are over."""
        while any(self.said[slot].ended is None for slot in slots):
            self.tick()
        return [self.said[slot] for slot in slots]

    def settle(self) -> None:
        """Work until there is nothing left to do."""
        while True:
            self.tick()
            work = self.family.work()
            if not (work.listening or work.thinking or work.talking or self.family.decoding):
                self.heard += self.family.listen()
                return

    def transcripts(self) -> list[Transcript]:
        return [heard for heard in self.heard if isinstance(heard, Transcript)]


def files(folder: Path) -> tuple[Path, Path, Path]:
    """A checkpoint, and the two models that listen in all families."""
    assets = resolve("mini-omni", quiet=True, only=("vad", "turn_end"))
    return folder, assets["vad"], assets["turn_end"]


def read(table: Table, row: int) -> col.Columns:
    """What stands in a row, by the family's own books."""
    return table.family._rows.read(row)


def speak_turn(table: Table, slot: int, seconds: float = 1.0, seed: int = 1) -> ChatMessage:
    """A user's turn, heard live in pieces of 40 ms."""
    start = table.family._microphones.position(slot)
    table.family.turn_began(slot, start, ())
    sound = speech(seconds, seed)
    for at in range(0, len(sound), 1280):
        table.family.hear(slot, sound[at : at + 1280])
        table.tick()
    return heard_turn(f"u{seed}", start, start + len(sound) // 2)
