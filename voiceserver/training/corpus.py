"""The training corpus: texts spoken by the teacher, kept as latents and durations in shards.

A shard holds the sentences of a few texts as flat arrays. Shards are written whole or not at all
and numbered by the replies they cover, so a stopped run goes on with the next one.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.pronunciation import SENTENCE_STOP, pronounce
from voiceserver.training.replies import Reply
from voiceserver.training.teacher import TaughtSentence, Teacher
from voiceserver.training.variations import vary

REPLIES_PER_SHARD = 32
VARIATIONS = 3  # exchanged-word versions of every reply


@dataclass(frozen=True)
class Corpus:
    """Sentences one after the other; sentence s owns symbols[symbol_ends[s-1]:symbol_ends[s]]."""

    symbol_ids: NDArray[np.int16]  # [N]
    durations: NDArray[np.int16]  # [N, 2], in latents
    symbol_ends: NDArray[np.int64]  # [S]
    latents: NDArray[np.float16]  # [T, LATENT_DIMS]
    latent_ends: NDArray[np.int64]  # [S]


def texts_of(reply: Reply, words: Sequence[str], seed: int) -> list[str]:
    """What the teacher says for one reply: the reply, its question, exchanged-word versions."""
    rng = random.Random(f"{seed} {reply.text}")
    return [reply.text, reply.prompt] + [vary(reply.text, words, rng) for _ in range(VARIATIONS)]


def sentences_of(text: str) -> list[tuple[str, ...]]:
    """The symbols of every sentence of a text, each from its start to its stop symbol."""
    symbols = [symbol for word in pronounce(text) for symbol in word.symbols]
    stops = [i + 1 for i, symbol in enumerate(symbols) if symbol == SENTENCE_STOP]
    starts = [0, *stops[:-1]] if stops else []
    return [tuple(symbols[a:b]) for a, b in zip(starts, stops, strict=True)]


def write_shards(
    replies: Sequence[Reply],
    words: Sequence[str],
    teacher: Teacher,
    folder: Path,
    seed: int,
    most_latents: int,
    on_shard: Callable[[int], None] = lambda _latents: None,
) -> None:
    """Teach group after group of replies, up to about `most_latents`, and report latents so far.

    Groups that have a shard already are not taught again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for index in range(len(replies) // REPLIES_PER_SHARD):
        if total >= most_latents:
            return
        path = folder / f"shard_{index:05d}.npz"
        if path.exists():
            with np.load(path) as arrays:
                total += int(arrays["latent_ends"][-1])
            on_shard(total)
            continue
        group = replies[index * REPLIES_PER_SHARD : (index + 1) * REPLIES_PER_SHARD]
        taught = [
            teacher.speak(symbols)
            for reply in group
            for text in texts_of(reply, words, seed)
            for symbols in sentences_of(text)
            if re.search(r"\w", "".join(symbols))
        ]
        partial = path.with_suffix(".partial.npz")
        flat = _flat(taught, teacher.symbol_ids)
        np.savez(partial, allow_pickle=False, **flat)
        partial.rename(path)
        total += len(flat["latents"])
        on_shard(total)


def _flat(taught: Sequence[TaughtSentence], ids: dict[str, int]) -> dict[str, NDArray[Any]]:
    return {
        "symbol_ids": np.array([ids[s] for t in taught for s in t.symbols], np.int16),
        "durations": np.concatenate([t.durations for t in taught]),
        "symbol_ends": np.cumsum([len(t.symbols) for t in taught]).astype(np.int64),
        "latents": np.concatenate([t.latents for t in taught]),
        "latent_ends": np.cumsum([len(t.latents) for t in taught]).astype(np.int64),
    }


def read_shards(folder: Path, most_latents: int | None = None) -> Corpus:
    """All shards of a folder as one corpus, or the first ones up to about `most_latents`."""
    parts, count = [], 0
    for shard in _shards(folder):
        if most_latents is not None and count >= most_latents:
            break
        parts.append(shard)
        count += len(shard["latents"])
    assert parts, f"no shards in {folder}"
    return Corpus(
        symbol_ids=np.concatenate([p["symbol_ids"] for p in parts]),
        durations=np.concatenate([p["durations"] for p in parts]),
        symbol_ends=_running([p["symbol_ends"] for p in parts]),
        latents=np.concatenate([p["latents"] for p in parts]),
        latent_ends=_running([p["latent_ends"] for p in parts]),
    )


def _shards(folder: Path) -> Iterator[dict[str, NDArray[Any]]]:
    for path in sorted(folder.glob("shard_?????.npz")):
        with np.load(path) as arrays:
            yield dict(arrays)


def _running(ends: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    offsets = np.cumsum([0] + [int(e[-1]) for e in ends[:-1]])
    return np.concatenate([e + o for e, o in zip(ends, offsets, strict=True)])
