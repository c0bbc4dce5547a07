"""Whisper's audio encoder over a whole padded clip, and the parts the live encoder is made of.

Two convolutions halve the mel frames into 20 ms features, then come pre-norm transformer layers
that look in both directions. `exact` is what openai's `embed_audio` computes, cut to what
Mini-Omni keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.audio.mel import Floats, log_mel
from voiceserver.nn.whisper.config import WhisperConfig

Affine = Callable[[Tensor], Tensor]  # [..., in] -> [..., out]
# From the fused projections of new features [S, n, 3 D] to what they attend to [S, n, D].
Attend = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class Norm:
    """Layer norm with weight and bias, both [D]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias)


@dataclass(frozen=True)
class Layer:
    """Weights of one transformer layer."""

    attention_norm: Norm
    qkv: Affine  # D -> 3 D
    output: Affine  # D -> D
    mlp_norm: Norm
    up: Affine  # D -> 4 D
    down: Affine  # 4 D -> D


@dataclass(frozen=True)
class EncoderWeights:
    convolutions: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]  # weight [D, in, 3], bias
    positions: Tensor  # [P, D]
    layers: tuple[Layer, ...]
    norm: Norm


class WhisperEncoder:
    """The network; it keeps no state."""

    def __init__(self, config: WhisperConfig, weights: EncoderWeights) -> None:
        self.config = config
        self._weights = weights

    @property
    def positions(self) -> Tensor:
        """Position embeddings: [P, D]"""
        return self._weights.positions

    def exact(self, samples: Floats) -> Tensor:
        """[n] samples at 16 kHz -> features [leng, D], as the reference computes them: 30 s."""
        return self.whole(samples, self.attend_all)[: self.config.features_of(len(samples))]

    @torch.inference_mode()
    def whole(self, samples: Floats, attend: Attend) -> Tensor:
        """All features of samples padded to 30 s: [P, D]"""
        clip = np.zeros(self.config.window_samples, np.float32)
        clip[: len(samples)] = samples[: len(clip)]
        mel = torch.from_numpy(log_mel(clip))[None]  # [1, bands, 2 P]
        x = self.stem(F.pad(mel, (2, 1)), first=torch.ones(1, dtype=torch.bool))
        return self.layers(x + self.positions, attend)[0]

    def stem(self, mel: Tensor, first: Tensor) -> Tensor:
        """Mel frames 2 i - 2 to 2 (i + n) of n features from i on -> [S, n, D].

        mel: [S, bands, 2 n + 3]; first: [S] bool, where i is 0 and nothing comes before.
        """
        (weight_1, bias_1), (weight_2, bias_2) = self._weights.convolutions
        x = F.gelu(F.conv1d(mel.to(weight_1), weight_1, bias_1))  # [S, D, 2 n + 1]
        x[:, :, 0].masked_fill_(first.to(x.device)[:, None], 0.0)  # the second one's own padding
        return F.gelu(F.conv1d(x, weight_2, bias_2, stride=2)).transpose(1, 2)

    def layers(self, x: Tensor, attend: Attend) -> Tensor:
        """All transformer layers and the last norm over [S, n, D]."""
        for index, layer in enumerate(self._weights.layers):
            x = x + layer.output(attend(index, layer.qkv(layer.attention_norm(x))))
            x = x + layer.down(F.gelu(layer.up(layer.mlp_norm(x))))
        return self._weights.norm(x)

    def split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[S, n, 3 D] -> queries, keys and values by head, each [S, H, n, d]."""
        slots, count, _ = qkv.shape
        heads = qkv.view(slots, count, 3, self.config.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind(0)
        return query, key, value

    def attend_all(self, _index: int, qkv: Tensor) -> Tensor:
        """Every feature to all given: the published encoder's attention."""
        mixed = F.scaled_dot_product_attention(*self.split(qkv))  # [S, H, n, d]
        return mixed.transpose(1, 2).flatten(2)
