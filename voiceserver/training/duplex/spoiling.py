"""Features as other speakers, rooms and microphones would have made them, and with gaps.

Some dozens of voices say some hundreds of texts in training; without this they are learnt by heart
within ten minutes, and other voices are not understood.
"""

from __future__ import annotations

import torch
from torch import Tensor

from voiceserver.audio.duplex_features import BANDS, LEVEL, PITCH, USUAL_LEVEL
from voiceserver.nn.duplex import DuplexPolicy

VOCAL_TRACTS = 0.12  # spread of the factor between two speakers' resonances, here in mel
COLOUR, LOUDNESS = 0.15, 0.1  # of bands and of all bands, in 10 dB
MICROPHONE = 0.3  # of absolute levels, in 10 dB
PITCH_OCTAVES = 0.1
NOISE = 0.2  # of each feature's spread
FORGOTTEN = 0.15  # share of features missing in a dialogue
MOST_BANDS_MASKED = 9


def spoiled(features: Tensor, policy: DuplexPolicy) -> Tensor:
    """Each dialogue in its own way: [B, T, F] -> [B, T, F]"""
    dialogues = len(features)
    spectrum = _warped(features[..., :BANDS])
    spectrum = spectrum + COLOUR * torch.randn(dialogues, 1, BANDS)
    spectrum = spectrum + LOUDNESS * torch.randn(dialogues, 1, 1)
    changed = torch.cat([spectrum, features[..., BANDS:]], -1)
    changed[..., LEVEL] += MICROPHONE * torch.randn(dialogues, 1)
    changed[..., USUAL_LEVEL] += MICROPHONE * torch.randn(dialogues, 1)
    changed[..., PITCH] += PITCH_OCTAVES * torch.randn(dialogues, 1)
    changed = changed + torch.randn_like(changed) * policy.scale * NOISE
    return torch.where(_kept(dialogues, features.shape[-1]), changed, policy.mean)


def _warped(spectrum: Tensor) -> Tensor:
    """With resonances moved, as by a longer or shorter vocal tract. spectrum: [B, T, BANDS]"""
    factor = 1 + VOCAL_TRACTS * torch.randn(len(spectrum), 1)
    place = (torch.arange(BANDS) * factor).clamp(0, BANDS - 1)  # [B, BANDS]
    below = place.floor().long().clamp(max=BANDS - 2)
    share = (place - below)[:, None]
    index = below[:, None].expand_as(spectrum)
    return spectrum.gather(2, index) * (1 - share) + spectrum.gather(2, index + 1) * share


def _kept(dialogues: int, features: int) -> Tensor:
    """Which features a dialogue has, less some of them and a run of bands: [B, 1, F]"""
    kept = torch.rand(dialogues, features) >= FORGOTTEN
    width = torch.randint(0, MOST_BANDS_MASKED + 1, (dialogues, 1))
    first = (torch.rand(dialogues, 1) * (BANDS - width)).long()
    band = torch.arange(features)
    return (kept & ~((band >= first) & (band < first + width)))[:, None]
