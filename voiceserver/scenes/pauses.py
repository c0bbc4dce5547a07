"""Hesitations: a turn spoken as a whole, opened up at places between two of its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.kokoro import Spoken

Samples = NDArray[np.float32]
Random = np.random.Generator
Span = tuple[int, int]  # [begin, end) in samples

SHORTEST_S, LONGEST_S = 0.3, 2.0
AFTER_SENTENCE_S = 1.0  # the longest pause where what was said is complete so far
_QUIET = 0.01  # of the peak: below, nobody speaks
_FRAME = LISTEN_RATE_HZ // 200  # 5 ms
_REACH = LISTEN_RATE_HZ // 25  # a word may end 40 ms from where its phonemes say
_FADE = LISTEN_RATE_HZ // 125  # 8 ms, so that no cut clicks


@dataclass(frozen=True)
class Turn:
    """A user's turn as spoken: [S] at LISTEN_RATE_HZ, from its first word to its last."""

    samples: Samples
    text: str = ""  # as heard: without marks
    pauses: tuple[Span, ...] = ()  # from the last sample of a word to the first of the next
    fillers: tuple[Span, ...] = ()  # "um" inside a pause


@dataclass(frozen=True)
class _Place:
    """Where a turn can be opened."""

    cut: int
    silence: Span  # around the cut, as spoken
    level: float  # at the cut, of the peak
    complete: bool  # a sentence ends here


def plain(spoken: Spoken, text: str) -> Turn:
    """A turn as it came from the voice, without a pause of ours."""
    return Turn(spoken.samples, _unmarked(text))


def with_pauses(
    random: Random, spoken: Spoken, text: str, count: int, fillers: Sequence[Samples] = ()
) -> Turn:
    """Open the turn at `count` of its marks, the quieter ones first; at most as many as it has.

    A third of the pauses has one of the fillers in it, if there are any.
    """
    chosen = sorted(_places(random, spoken, text)[:count], key=lambda place: place.cut)
    parts: list[Samples] = []
    turn, at, done = Turn(spoken.samples, _unmarked(text)), 0, 0
    for place in chosen:
        head = _faded_out(spoken.samples[done : place.cut])
        head = _faded_in(head) if done else head
        begin = at + place.silence[0] - done
        inside, filler = _inside(random, place, fillers)
        after = place.silence[1] - place.cut
        end = at + len(head) + len(inside) + after
        parts += [head, inside]
        if filler is not None:
            where = at + len(head) + filler[0]
            turn = replace(turn, fillers=(*turn.fillers, (where, where + filler[1] - filler[0])))
        turn = replace(turn, pauses=(*turn.pauses, (begin, end)))
        at, done = at + len(head) + len(inside), place.cut
    tail = spoken.samples[done:]
    parts.append(_faded_in(tail) if chosen else tail)
    return replace(turn, samples=np.concatenate(parts))


def _places(random: Random, spoken: Spoken, text: str) -> list[_Place]:
    """All marks, quiet ones first, in random order among those that are quiet enough to cut."""
    envelope = _envelope(spoken.samples)
    loudest = float(envelope.max())
    before = [part.rstrip()[-1:] in (".", "!", "?") for part in text.split("|")[:-1]]
    assert len(before) == len(spoken.marks), f"{len(spoken.marks)} marks in {text!r}"
    places = []
    for mark, complete in zip(spoken.marks, before, strict=True):
        first = max(0, (mark[0] - _REACH) // _FRAME)
        last = min(len(envelope), (mark[1] + _REACH) // _FRAME + 1)
        cut = first + int(envelope[first:last].argmin())
        level = float(envelope[cut]) / loudest
        places.append(_Place(cut * _FRAME, _silence(spoken.samples, cut * _FRAME), level, complete))
    random.shuffle(places)
    return sorted(places, key=lambda place: place.level > 0.1)


def _inside(
    random: Random, place: _Place, fillers: Sequence[Samples]
) -> tuple[Samples, Span | None]:
    """Silence, or silence with a filler in it, so that the pause has a length as wished."""
    longest_s = AFTER_SENTENCE_S if place.complete else LONGEST_S
    wished_s = float(np.exp(random.uniform(np.log(SHORTEST_S), np.log(longest_s))))
    there_s = (place.silence[1] - place.silence[0]) / LISTEN_RATE_HZ
    silent = max(0, round((wished_s - there_s) * LISTEN_RATE_HZ))
    if not fillers or wished_s < 0.5 or random.random() > 1 / 3:
        return np.zeros(silent, np.float32), None
    filler = fillers[int(random.integers(len(fillers)))]
    first = int(silent * random.uniform(0.15, 0.6))
    rest = np.zeros(silent - first, np.float32)
    inside = np.concatenate([np.zeros(first, np.float32), filler, rest])
    return inside, (first, first + len(filler))


def _envelope(samples: Samples) -> Samples:
    """Loudest sample of each frame: [S] -> [S / _FRAME]"""
    frames = len(samples) // _FRAME
    envelope: Samples = np.abs(samples[: frames * _FRAME]).reshape(frames, _FRAME).max(axis=1)
    return envelope


def _silence(samples: Samples, cut: int) -> Span:
    """How far it is quiet around a cut: nothing, where two words run into each other."""
    loud = np.flatnonzero(np.abs(samples) > _QUIET * np.abs(samples).max())
    after = int(np.searchsorted(loud, cut))
    if after == 0 or after == len(loud):
        return cut, cut
    return int(loud[after - 1]) + 1, int(loud[after])


def _faded_out(samples: Samples) -> Samples:
    faded = samples.copy()
    fade = min(_FADE, len(faded))
    faded[len(faded) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return faded


def _faded_in(samples: Samples) -> Samples:
    return _faded_out(samples[::-1])[::-1].copy()


def _unmarked(text: str) -> str:
    return " ".join(text.replace("|", " ").split())
