"""Silero's voice-activity detector for several streams at once, one 32 ms window a stream a call.

State and context are kept by slot, so what a stream hears does not depend on how its audio was
cut or on who else is listening. It measures; whether a turn begins or ends is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.onnx import open_session
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES

Floats = NDArray[np.float32]

CONTEXT_SAMPLES = 64  # of the window before, which silero reads again
STATE_DIM = 128
SILENCE_DBFS = -120.0


class VoiceActivity:
    """The detector, with the state of every slot."""

    def __init__(self, file: Path, slots: int, threads: int = 1) -> None:
        self._session = open_session(file)
        # A share of the streams each: one run uses one core and lets others compute meanwhile.
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._threads = threads
        self._state = np.zeros((2, slots, STATE_DIM), np.float32)
        self._context = np.zeros((slots, CONTEXT_SAMPLES), np.float32)
        self._rate = np.array(LISTEN_RATE_HZ, np.int64)

    def reset(self, slot: int) -> None:
        """Forget what a slot has heard."""
        self._state[:, slot] = 0.0
        self._context[slot] = 0.0

    def step(self, slots: Sequence[int], windows: Floats) -> list[float]:
        """Probability of speech in one window of each slot. windows: [len(slots), 512]"""
        assert windows.shape == (len(slots), VAD_WINDOW_SAMPLES), f"shape {windows.shape}"
        if self._pool is None or len(slots) < 2 * self._threads:
            return self._step(list(slots), windows)
        shares = np.array_split(np.arange(len(slots)), self._threads)
        rows = [[slots[i] for i in share] for share in shares]
        parts = self._pool.map(self._step, rows, [windows[share] for share in shares])
        return [probability for part in parts for probability in part]

    def _step(self, rows: list[int], windows: Floats) -> list[float]:
        inputs = {
            "input": np.concatenate([self._context[rows], windows], axis=1),
            "state": self._state[:, rows],
            "sr": self._rate,
        }
        probability, state = self._session.run(None, inputs)  # [B, 1], [2, B, 128]
        self._state[:, rows] = state
        self._context[rows] = windows[:, -CONTEXT_SAMPLES:]
        return [float(p) for p in probability[:, 0]]


def levels_dbfs(windows: Floats) -> list[float]:
    """RMS of each window relative to full scale; -120 for silence. windows: [n, samples]"""
    rms = np.sqrt(np.square(windows, dtype=np.float64).mean(axis=1))
    levels: list[float] = np.maximum(SILENCE_DBFS, 20.0 * np.log10(np.maximum(rms, 1e-9))).tolist()
    return levels
