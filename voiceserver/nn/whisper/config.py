"""The shape of a Whisper encoder, and how samples become features in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voiceserver.audio.mel import HOP_SAMPLES
from voiceserver.clock import LISTEN_RATE_HZ, exact_div

FEATURE_SAMPLES = 2 * HOP_SAMPLES  # the second convolution takes every other mel frame: 20 ms
FEATURE_MS = exact_div(FEATURE_SAMPLES * 1000, LISTEN_RATE_HZ)


@dataclass(frozen=True)
class WhisperConfig:
    """Sizes of the encoder. Small: 80 bands, 1500 positions, 768 wide, 12 heads, 12 layers."""

    bands: int
    positions: int
    dim: int
    heads: int
    layers: int

    def __post_init__(self) -> None:
        exact_div(self.dim, self.heads)

    @classmethod
    def of_dims(cls, dims: Mapping[str, int]) -> WhisperConfig:
        """From the `dims` of openai's checkpoints; KeyError where one is missing."""
        return cls(
            bands=int(dims["n_mels"]),
            positions=int(dims["n_audio_ctx"]),
            dim=int(dims["n_audio_state"]),
            heads=int(dims["n_audio_head"]),
            layers=int(dims["n_audio_layer"]),
        )

    @property
    def window_samples(self) -> int:
        return self.positions * FEATURE_SAMPLES  # 30 s

    def features_of(self, samples: int) -> int:
        """How many features Mini-Omni keeps of so many samples, by its own arithmetic."""
        duration_ms = samples / LISTEN_RATE_HZ * 1000
        return min(int(duration_ms / FEATURE_MS) + 1, self.positions)
