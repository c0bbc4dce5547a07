"""How the policy does on held-out dialogues, beside silence, smart-turn and voice alone: a table.

Rules act as a session would: a take needs the user's silence, a stop needs the user's voice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from voiceserver.audio.turn_end import TurnEndPredictor
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_MS, VAD_WINDOW_SAMPLES
from voiceserver.nn.duplex import DuplexPolicy
from voiceserver.training.duplex.labels import GOES_ON, INTERRUPTS, YIELDS
from voiceserver.training.duplex.measure import Fired, Stops, Takes, held, stops_of, takes_of
from voiceserver.training.duplex.shards import Shard, flat_events
from voiceserver.training.duplex.training import forecasts

Floats = NDArray[np.float32]

YIELDS_AT = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
INTERRUPTS_AT = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SILENCES_MS = (300, 500, 700)
SILENT_BELOW, VOICED_FROM = 0.35, 0.5
FAINT_VOICE = 0.3
OURS = 0.5  # echo likeness
TAKE_WINDOWS, STOP_WINDOWS = 2, 2
VOICE_WINDOWS = 5  # the rule of old: 160 ms of voice interrupt
# Smart-turn is asked in a pause this long, and again after so much more; then silence decides.
ASK_WINDOWS, ASK_AGAIN_WINDOWS, MOST_WINDOWS = 6, 5, 125
CONTEXT_SAMPLES = 8 * LISTEN_RATE_HZ
PREFIX_WINDOWS = 9  # before a turn's first voice, about 300 ms
APART = ("backchannel", "noise", "aside", "broadcast", "alone")


@dataclass(frozen=True)
class HeldOut:
    """What happened in held-out dialogues, what was heard, and what the policy thought of it."""

    shards: Sequence[Shard]
    user: Floats  # [N, T, 6] probabilities
    voice: Floats  # [N, T]
    echo: Floats  # [N, T]

    @classmethod
    def of(cls, policy: DuplexPolicy, shards: Sequence[Shard]) -> HeldOut:
        features = torch.from_numpy(np.concatenate([shard.features for shard in shards]))
        user, _ = forecasts(policy, features)
        voices = np.concatenate([shard.voices for shard in shards]).astype(np.float32)
        return cls(shards, torch.softmax(user, -1).numpy(), voices[..., 0], voices[..., 1])

    def yields(self, number: int, at: float) -> Fired:
        silent = self.voice[number] < SILENT_BELOW
        return held(silent & (self.user[number, :, YIELDS] >= at), TAKE_WINDOWS)

    def silence(self, number: int, windows: int) -> Fired:
        return held(self.voice[number] < SILENT_BELOW, windows)

    def interrupts(self, number: int, at: float) -> Fired:
        takes_floor = self.user[number][:, [INTERRUPTS, GOES_ON]].sum(axis=1)
        return held((takes_floor >= at) & (self.voice[number] >= FAINT_VOICE), STOP_WINDOWS)

    def any_voice(self, number: int) -> Fired:
        theirs = (self.voice[number] >= VOICED_FROM) & (self.echo[number] < OURS)
        return held(theirs, VOICE_WINDOWS)


def smart_turn(held_out: HeldOut, predictor: TurnEndPredictor) -> list[Fired]:
    """Where smart-turn, asked as a session asks it, finds turns complete."""
    sounds = [row for shard in held_out.shards if shard.sound is not None for row in shard.sound]
    return [
        _smart_turn(sound, voice, predictor)
        for sound, voice in zip(sounds, held_out.voice, strict=True)
    ]


def _smart_turn(sound: NDArray[np.int16], voice: Floats, predictor: TurnEndPredictor) -> Fired:
    fired, silent, onset, complete = np.zeros(len(voice), bool), 0, 0, True
    for window, probability in enumerate(voice):
        silent = silent + 1 if probability < SILENT_BELOW else 0
        if silent == 0:
            onset = window if complete else onset
            complete = False
        asks = silent >= ASK_WINDOWS and (silent - ASK_WINDOWS) % ASK_AGAIN_WINDOWS == 0
        if asks and silent < MOST_WINDOWS and not complete:
            end = (window + 1) * VAD_WINDOW_SAMPLES
            begin = max(0, (onset - PREFIX_WINDOWS) * VAD_WINDOW_SAMPLES, end - CONTEXT_SAMPLES)
            heard = sound[begin:end].astype(np.float32) / np.float32(32768)
            complete = predictor.probability(heard) >= 0.5
        complete = complete or silent == MOST_WINDOWS
        fired[window] = complete
    return fired


def table(policy: DuplexPolicy, shards: Sequence[Shard], turn_end: Path | None = None) -> str:
    """Both operating curves as text."""
    held_out = HeldOut.of(policy, shards)
    return "\n".join([*_takes(held_out, turn_end), "", *_stops(held_out)])


def _takes(held_out: HeldOut, turn_end: Path | None) -> Iterator[str]:
    events = flat_events(held_out.shards)
    yield f"{'speaking up when':26} {'in pauses':>14} {'at ends':>14} {'median ms':>10} {'p90':>6}"
    for at in YIELDS_AT:
        takes = takes_of(events, lambda n, at=at: held_out.yields(n, at))  # type: ignore[misc]
        yield _take_line(f"P(yields) >= {at}", takes)
    for ms in SILENCES_MS:
        windows = round(ms / VAD_WINDOW_MS)
        takes = takes_of(events, lambda n, w=windows: held_out.silence(n, w))  # type: ignore[misc]
        yield _take_line(f"silent for {ms} ms", takes)
    if turn_end is not None:
        fired = smart_turn(held_out, TurnEndPredictor(turn_end))
        yield _take_line("smart-turn", takes_of(events, fired.__getitem__))


def _take_line(name: str, takes: Takes) -> str:
    pauses = f"{takes.pause_percent:.1f} % of {takes.pauses}"
    ends = f"{takes.end_percent:.1f} % of {takes.ends}"
    median, p90 = (_ms(takes.delays_s, share) for share in (50, 90))
    return f"{name:26} {pauses:>14} {ends:>14} {median:>10} {p90:>6}"


def _stops(held_out: HeldOut) -> Iterator[str]:
    events = flat_events(held_out.shards)
    heads = " ".join(f"{kind:>12}" for kind in APART)
    yield f"{'falling silent when':26} {'interrupted':>12} {'median ms':>10} {'p95':>6} {heads}"
    for at in INTERRUPTS_AT:
        stops = stops_of(events, lambda n, at=at: held_out.interrupts(n, at))  # type: ignore[misc]
        yield _stop_line(f"P(interrupts) >= {at}", stops)
    stops = stops_of(events, held_out.any_voice)
    yield _stop_line("a voice of 160 ms", stops)
    counts = " ".join(f"{stops.heard.get(kind, 0):>12}" for kind in APART)
    yield f"{'of':26} {stops.heard.get('interruption', 0):>12} {'':>10} {'':>6} {counts}"


def _stop_line(name: str, stops: Stops) -> str:
    delays_s = stops.delays_s.get("interruption", [])
    shares = " ".join(f"{stops.percent(kind):>10.1f} %" for kind in APART)
    right = f"{stops.percent('interruption'):.1f} %"
    return f"{name:26} {right:>12} {_ms(delays_s, 50):>10} {_ms(delays_s, 95):>6} {shares}"


def _ms(delays_s: Sequence[float], share: float) -> str:
    return f"{1000 * np.percentile(delays_s, share):.0f}" if delays_s else "-"
