"""Keys and values of what each slot has heard, behind those of silence, and attention over them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.audio.murmur import murmur_then_silence
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.nn.whisper.config import FEATURE_SAMPLES
from voiceserver.nn.whisper.encoder import Attend, WhisperEncoder

SILENCE_EVERY = 8  # one feature of silence in so many stands for all
SILENCE_FROM = LISTEN_RATE_HZ // FEATURE_SAMPLES * 2  # a second after the murmur's end
ROUND = 16  # attention lengths are multiples of this, so that few shapes occur


class KeyCache:
    """Every layer's keys and values for numbered slots; who calls knows how far they are valid.

    The silence that the published encoder pads to 30 s with is a large part of what a feature
    attends to. Of its keys and values every eighth is kept, counted eight times; where the
    utterance has come to a position, its silence is left out.
    """

    def __init__(self, encoder: WhisperEncoder, slots: int, spare: int) -> None:
        # Places behind the last position, `spare` of them, take what only fills up a batch.
        config = encoder.config
        self._encoder = encoder
        silent = torch.arange(SILENCE_FROM, config.positions, SILENCE_EVERY)
        keys, values = _silence(encoder, silent)  # [layers, silent, H, d]
        length = -(-(len(silent) + config.positions + spare) // ROUND) * ROUND
        shape = (config.layers, slots, length, config.heads, config.dim // config.heads)
        self._keys, self._values = _untouched(shape, keys), _untouched(shape, keys)
        self._keys[:, :, : len(silent)] = keys[:, None]
        self._values[:, :, : len(silent)] = values[:, None]
        self._silent = silent.to(keys.device)

    def attention(self, slots: Tensor, places: Tensor, ends: Tensor, longest: int) -> Attend:
        """Of features at `places` [S, n] to all of their slot before `ends` [S], and to silence.

        The features' own keys and values are written at their places; `longest` is beyond all.
        """
        silent = len(self._silent)
        length = -(-(silent + longest) // ROUND) * ROUND
        heard = torch.arange(length - silent, device=ends.device) < ends[:, None]
        bias = torch.cat(
            [
                _bias(self._silent >= ends[:, None], math.log(SILENCE_EVERY)),
                _bias(heard, 0.0),
            ],
            dim=1,
        )[:, None, None].to(self._keys.dtype)  # [S, 1, 1, length]
        rows, columns = slots[:, None], silent + places

        def attend(layer: int, qkv: Tensor) -> Tensor:
            query, key, value = self._encoder.split(qkv)  # [S, H, n, d]
            keys, values = self._keys[layer], self._values[layer]  # [slots, length, H, d]
            keys[rows, columns] = key.transpose(1, 2)
            values[rows, columns] = value.transpose(1, 2)
            mixed = F.scaled_dot_product_attention(
                query,
                keys[slots, :length].transpose(1, 2),
                values[slots, :length].transpose(1, 2),
                attn_mask=bias,
            )
            return mixed.transpose(1, 2).flatten(2)

        return attend


def _bias(seen: Tensor, weight: float) -> Tensor:
    """What is added to scores: `weight` where a key is seen, else it counts for nothing."""
    return torch.full(seen.shape, weight, device=seen.device).masked_fill_(~seen, -math.inf)


@torch.inference_mode()
def _silence(encoder: WhisperEncoder, silent: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values at these positions of a clip that is silent there: [layers, n, H, d]"""
    kept: list[tuple[Tensor, Tensor]] = []

    def attend(layer: int, qkv: Tensor) -> Tensor:
        _, key, value = encoder.split(qkv)  # [1, H, P, d]
        kept.append((key[0, :, silent].transpose(0, 1), value[0, :, silent].transpose(0, 1)))
        return encoder.attend_all(layer, qkv)

    encoder.whole(murmur_then_silence(encoder.config.window_samples), attend)
    keys, values = zip(*kept, strict=True)
    return torch.stack(keys), torch.stack(values)


def _untouched(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros that on the CPU take no memory before they are written."""
    if like.device.type == "cpu" and like.dtype == torch.float32:
        return torch.from_numpy(np.zeros(shape, np.float32))
    return torch.zeros(shape, dtype=like.dtype, device=like.device)
