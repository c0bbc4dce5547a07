"""Turn-taking events of a dialogue in two channels, and how two dialogues' events correlate.

The definitions are dGSLM's (Nguyen et al. 2022), which SyncLLM's table 2 uses. IPU: speech of one
speaker without a silence of more than 200 ms. Pause: silence between two IPUs of one speaker in
which nobody speaks. FTO, the floor transfer offset: from the end of one speaker's IPU to the begin
of the next one's by the other, positive a gap, negative an overlap; speech that lies within the
other's IPU takes no floor. Compared is each dialogue's mean duration of an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from voiceserver.audio.vad import VoiceActivity
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.engine.family import Samples

Span = tuple[float, float]  # seconds, begin and end
KINDS = ("ipu", "pause", "fto")
IPU_SILENCE_S = 0.2
VOICE = 0.5  # probability from which a window counts as speech


@dataclass
class Events:
    """Durations, in seconds; those of FTO have a sign."""

    ipu: list[float] = field(default_factory=list)
    pause: list[float] = field(default_factory=list)
    fto: list[float] = field(default_factory=list)

    def means(self) -> dict[str, float | None]:
        """Mean duration of each kind; None where there is none."""
        found = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: float(np.mean(d)) if d else None for kind, d in found.items()}


def joined(speech: Iterable[Span]) -> list[Span]:
    """Stretches of speech as IPUs: silences of at most 200 ms are part of them."""
    ipus: list[Span] = []
    for begin, end in sorted(speech):
        if ipus and begin - ipus[-1][1] <= IPU_SILENCE_S + 1e-9:
            ipus[-1] = (ipus[-1][0], max(ipus[-1][1], end))
        else:
            ipus.append((begin, end))
    return ipus


def events_of(one: Iterable[Span], other: Iterable[Span]) -> Events:
    """What happens between two speakers, given where each speaks."""
    channels = (joined(one), joined(other))
    events = Events(ipu=[end - begin for ipus in channels for begin, end in ipus])
    order = sorted((begin, end, who) for who, ipus in enumerate(channels) for begin, end in ipus)
    floor: tuple[float, int] | None = None  # when the speaker who has it ends, and who that is
    for begin, end, who in order:
        if floor is not None:
            ended, holder = floor
            if end <= ended:
                continue  # within the other's speech
            (events.pause if who == holder else events.fto).append(begin - ended)
        floor = (end, who)
    return events


def spoken(vad: VoiceActivity, sound: Samples) -> list[Span]:
    """Where a channel at 16 kHz holds speech."""
    vad.reset(0)
    count = len(sound) // VAD_WINDOW_SAMPLES
    windows = sound[: count * VAD_WINDOW_SAMPLES].reshape(count, VAD_WINDOW_SAMPLES)
    window_s = VAD_WINDOW_SAMPLES / LISTEN_RATE_HZ
    return joined(
        (index * window_s, (index + 1) * window_s)
        for index, window in enumerate(windows)
        if vad.step([0], window[None])[0] >= VOICE
    )


def pearson(one: Sequence[float | None], other: Sequence[float | None]) -> float | None:
    """Over the dialogues that have both; None of fewer than three, or where one does not vary."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if len(pairs) < 3:
        return None
    x, y = np.array(pairs).T
    if x.std() < 1e-12 or y.std() < 1e-12:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def correlations(
    generated: Sequence[Events], truth: Sequence[Events]
) -> Mapping[str, float | None]:
    """Of each kind, and their mean as `avg`, as in the paper's table 2."""
    means = [[events.means() for events in side] for side in (generated, truth)]
    found: dict[str, float | None] = {
        kind: pearson([m[kind] for m in means[0]], [m[kind] for m in means[1]]) for kind in KINDS
    }
    known = [value for value in found.values() if value is not None]
    return found | {"avg": float(np.mean(known)) if len(known) == len(KINDS) else None}
