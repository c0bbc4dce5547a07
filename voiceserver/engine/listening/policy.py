"""The duplex policy at work: features and network state of every slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from voiceserver.audio.duplex_features import DuplexFeatures
from voiceserver.engine.family import Samples, Window
from voiceserver.engine.forecast import Forecast
from voiceserver.nn import duplex


class PolicyForecaster:
    """One batched step of the network for every window."""

    def __init__(self, policy: duplex.DuplexPolicy, slots: int) -> None:
        self._policy = policy
        self._features = [DuplexFeatures() for _ in range(slots)]
        self._state = policy.state(slots)  # [slots, ...]

    @classmethod
    def load(cls, folder: Path, slots: int) -> PolicyForecaster:
        """With the weights in a folder."""
        return cls(duplex.load(folder), slots)

    def reset(self, slot: int) -> None:
        self._features[slot] = DuplexFeatures()
        self._state[slot] = self._policy.state(1)[0]

    @torch.inference_mode()
    def step(self, windows: Sequence[Window], user: Samples, own: Samples) -> list[Window]:
        slots = [window.slot for window in windows]
        features = [
            self._features[w.slot].step(user[i], own[i], w.probability, w.echo_likeness)
            for i, w in enumerate(windows)
        ]
        stacked = torch.from_numpy(np.stack(features))  # [B, FEATURES]
        users, owns, state = self._policy.step(stacked, self._state[slots])
        self._state[slots] = state
        both = zip(_shares(users), _shares(owns), strict=True)
        return [replace(w, forecast=Forecast(*f)) for w, f in zip(windows, both, strict=True)]


def _shares(logits: torch.Tensor) -> list[tuple[float, ...]]:
    """Logits [B, n] as probabilities."""
    return [tuple(row) for row in torch.softmax(logits, -1).tolist()]
