"""Does a sound over the assistant's speech take the floor? Judged from what Whisper makes of it.

Whisper's encoder hears words as well as how they are said; a small classifier on its states tells
"Hang on, ..." from "Mm-hm" after a third of a second, long before a recogniser has words for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from voiceserver.audio.floor_features import FEATURES, pooled
from voiceserver.nn.checkpoint import load_network, save_networks

Floats = NDArray[np.float32]

CLASSES: Final = ("listens", "takes_floor", "noise_or_echo", "elsewhere")
TAKES_FLOOR: Final = CLASSES.index("takes_floor")
WIDTH: Final = 96
DROPOUT: Final = 0.3  # in training: there are few voices to learn from
WEIGHTS_FILE: Final = "floor.safetensors"


class FloorJudge(nn.Module):
    """Pooled encoder states -> what the sound is."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.enter = nn.Linear(FEATURES, WIDTH)
        self.leave = nn.Linear(WIDTH, len(CLASSES))
        self.eval()

    def forward(self, features: Tensor) -> Tensor:
        """[B, FEATURES] -> logits [B, CLASSES]"""
        x = nn.functional.dropout((features - self.mean) / self.scale, DROPOUT, self.training)
        x = nn.functional.dropout(nn.functional.gelu(self.enter(x)), DROPOUT, self.training)
        logits: Tensor = self.leave(x)
        return logits

    @torch.inference_mode()
    def takes_floor(self, states: Floats, samples: int) -> float:
        """Probability for one sound: encoder states [S, D] of a sound of so many samples."""
        features = torch.from_numpy(pooled(states, samples))[None]
        return float(torch.softmax(self(features), -1)[0, TAKES_FLOOR])


def save(judge: FloorJudge, folder: Path, made: dict[str, float | str]) -> None:
    """Write the weights; `made` says how."""
    save_networks(folder / WEIGHTS_FILE, {"floor": judge}, {"made": made})


def load(folder: Path) -> FloorJudge:
    """The judge in a folder."""
    judge = FloorJudge()
    load_network(folder / WEIGHTS_FILE, "floor", judge)
    return judge.requires_grad_(False)
