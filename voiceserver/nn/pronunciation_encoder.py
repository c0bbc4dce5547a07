"""Phoneme symbols -> what each sounds like among its neighbours, and how long it lasts.

Sees REACH symbols to each side and nothing else, so it needs that much of the text ahead (about
one and a half words) and gives the same on a text that is still being written.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voiceserver.clock import exact_div
from voiceserver.nn.codec import Block
from voiceserver.nn.cues import PARTS

SYMBOLS = 256  # size of the teacher's symbol table
OUTSIDE = 0  # the symbol id before the first and after the last symbol
KERNEL = 5
BLOCKS = 4
REACH = BLOCKS * exact_div(KERNEL - 1, 2)


class PronunciationEncoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(SYMBOLS, width)
        self.blocks = nn.ModuleList(Block(width, KERNEL) for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(width)
        self.duration = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, PARTS))

    def forward(self, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """symbols: [B, REACH + N + REACH] -> encodings [B, N, width], log latents [B, N, PARTS]."""
        x = self.embed(symbols)
        for block in self.blocks:
            x = block(x, exact_div(KERNEL - 1, 2))
        x = self.norm(x)
        return x, self.duration(x)


def log_duration(latents: Tensor) -> Tensor:
    """Target of the duration head. The teacher rounds up, so half a latent is taken off."""
    return torch.log(latents.clamp_min(1) - 0.5)


def whole_latents(log_latents: Tensor) -> Tensor:
    """The inverse, rounding up like the teacher: at least one latent a part."""
    return torch.ceil(torch.exp(log_latents)).clamp_min(1).long()


def with_outside(symbols: Tensor) -> Tensor:
    """symbols: [B, N] of a whole text -> [B, REACH + N + REACH]."""
    return F.pad(symbols, (REACH, REACH), value=OUTSIDE)
