"""Dialogues as features on disk: shards of some dialogues each, whole or not there at all.

A shard keeps features, voice probabilities and events; labels are made of the events when it is
read, so that other labels need no new sound.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.duplex_features import RECIPE
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.scenes.dialogues import Dialogue
from voiceserver.scenes.stage import Event
from voiceserver.training.duplex.features import heard

Samples = NDArray[np.float32]

DIALOGUES = 8  # a shard
WINDOWS = 940  # 30 s a dialogue
LENGTH_S = WINDOWS * VAD_WINDOW_SAMPLES / LISTEN_RATE_HZ

Make = Callable[[np.random.Generator], Dialogue]


@dataclass(frozen=True)
class Shard:
    features: NDArray[np.float16]  # [B, WINDOWS, FEATURES]
    voices: NDArray[np.float16]  # [B, WINDOWS, 2]: voice probability, echo likeness
    events: list[list[Event]]
    sound: NDArray[np.int16] | None = None  # [B, WINDOWS * 512]: the user's channel, if kept


def write_shard(
    folder: Path,
    number: int,
    seed: Sequence[int],
    make: Make,
    vad_file: Path,
    keep_sound: bool = False,
) -> Path:
    """Make and hear the dialogues of one shard, unless it is there."""
    path = folder / f"shard_{number:05d}.r{RECIPE}.npz"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [number * DIALOGUES + index for index in range(DIALOGUES)]
    dialogues = [make(np.random.default_rng([*seed, s])) for s in seeds]
    features, voices = heard(dialogues, WINDOWS, vad_file)
    events = json.dumps([[asdict(event) for event in d.events] for d in dialogues])
    sounds = [d.user[: WINDOWS * VAD_WINDOW_SAMPLES] for d in dialogues] if keep_sound else []
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        features=features.astype(np.float16),
        voices=voices.astype(np.float16),
        events=np.frombuffer(events.encode(), np.uint8),
        sound=np.round(np.array(sounds) * 32767).astype(np.int16),
    )
    partial.rename(path)
    return path


def read_shards(folder: Path) -> Iterator[Shard]:
    """All shards of a folder that fit today's features."""
    for path in sorted(folder.glob(f"shard_*.r{RECIPE}.npz")):
        with np.load(path) as arrays:
            stored = json.loads(arrays["events"].tobytes())
            events = [[Event(**event) for event in dialogue] for dialogue in stored]
            sound = arrays.get("sound", np.zeros(0, np.int16))  # early shards have none
            yield Shard(arrays["features"], arrays["voices"], events, sound if len(sound) else None)


def flat_events(shards: Sequence[Shard]) -> list[list[Event]]:
    return [events for shard in shards for events in shard.events]
