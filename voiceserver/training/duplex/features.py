"""Dialogues -> features, heard exactly as the engine hears: silero, echo tracker, features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.duplex_features import FEATURES, DuplexFeatures
from voiceserver.audio.echo import EchoTracker
from voiceserver.audio.vad import VoiceActivity
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.scenes.dialogues import Dialogue

Floats = NDArray[np.float32]
FAINT_VOICE = 0.05  # below, the engine does not ask whose voice it is


def heard(dialogues: Sequence[Dialogue], windows: int, vad_file: Path) -> tuple[Floats, Floats]:
    """Features [B, T, FEATURES] and voice probabilities with echo likeness [B, T, 2]."""
    count = len(dialogues)
    users = np.stack([_windows(dialogue.user, windows) for dialogue in dialogues])
    owns = np.stack([_windows(dialogue.own, windows) for dialogue in dialogues])
    activity = VoiceActivity(vad_file, count)
    slots = range(count)
    ears = [DuplexFeatures() for _ in slots]
    echoes = [EchoTracker(LISTEN_RATE_HZ) for _ in slots]
    features = np.zeros((count, windows, FEATURES), np.float32)
    voices = np.zeros((count, windows, 2), np.float32)
    for window in range(windows):
        probabilities = activity.step(slots, users[:, window])
        for slot, voice in enumerate(probabilities):
            user, own = users[slot, window], owns[slot, window]
            likeness = _likeness(echoes[slot], (window + 1) * VAD_WINDOW_SAMPLES, user, own, voice)
            features[slot, window] = ears[slot].step(user, own, voice, likeness)
            voices[slot, window] = voice, likeness
    return features, voices


def _windows(samples: Floats, windows: int) -> Floats:
    """[S] -> [windows, 512], as 16-bit sound of the wire"""
    return as_sent(samples[: windows * VAD_WINDOW_SAMPLES]).reshape(windows, VAD_WINDOW_SAMPLES)


def as_sent(samples: Floats) -> Floats:
    """What arrives of [S], which is sent as 16-bit sound."""
    pcm16 = np.round(samples * 32767).astype(np.int16)
    return pcm16.astype(np.float32) / np.float32(32768)


def _likeness(tracker: EchoTracker, end: int, user: Floats, own: Floats, voice: float) -> float:
    if own.any():
        tracker.played(own, end - VAD_WINDOW_SAMPLES, 0.0)
    if voice < FAINT_VOICE:
        tracker.skip(end, user)
        return 0.0
    return tracker.likeness(end, user)
