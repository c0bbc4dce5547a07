"""The talker: one step a codec frame, from timed phonemes to parallel heads of codec digits.

The text stream tells every step what it says: for each latent of the frame (and of the one after)
which phoneme is heard and how far into it we are. The audio streams are the talker's own earlier
digits. Head k is `delays[k]` steps late, so that later heads know the earlier heads' choice.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voiceserver.clock import exact_div
from voiceserver.nn.codec import FRAME_LATENTS, CodecShape
from voiceserver.nn.cues import AFTER_END, PARTS
from voiceserver.nn.pronunciation_encoder import PronunciationEncoder
from voiceserver.nn.streaming import Shape, Tape

TIME = 1
SEEN_LATENTS = 2 * FRAME_LATENTS  # this frame's and the next one's
LONGEST_OFFSET = 15  # latents into a part, or until its end; longer ones look alike


@dataclass(frozen=True)
class TalkerShape:
    codec: CodecShape
    width: int = 256
    layers: int = 5
    attention_heads: int = 4
    window_frames: int = 48  # how far back a step sees, itself included
    phoneme_width: int = 192
    cue_width: int = 64
    delays: tuple[int, ...] = (0, 0, 0, 0, 1, 1, 1, 1)  # steps, one a codec head

    @property
    def no_digit(self) -> int:
        """Stands where no digit has been spoken yet."""
        return self.codec.levels

    @property
    def longest_delay(self) -> int:
        return max(self.delays)

    def digit_delays(self) -> list[int]:
        return [delay for delay in self.delays for _ in range(self.codec.head_dims)]


class CueEncoder(nn.Module):
    """Cues of SEEN_LATENTS latents -> one vector a frame."""

    def __init__(self, shape: TalkerShape) -> None:
        super().__init__()
        width = shape.cue_width
        self.sound = nn.Linear(shape.phoneme_width, width)
        self.part = nn.Embedding(PARTS, width)
        self.offset = nn.Embedding(LONGEST_OFFSET + 1, width)
        self.remaining = nn.Embedding(LONGEST_OFFSET + 1, width)
        self.mix = nn.Linear(width, width)
        self.fold = nn.Linear(SEEN_LATENTS * width, shape.width)

    def per_latent(self, encodings: Tensor, cues: Tensor) -> Tensor:
        """encodings: [B, N, phoneme_width], cues: [B, T, 4] (`cues.CueTrack`) -> [B, T, cue_width].

        Zeros after the end.
        """
        symbol, part, offset, remaining = cues.unbind(-1)
        sounds = self.sound(encodings)
        index = symbol.clamp_min(0)[..., None].expand(-1, -1, sounds.shape[-1])
        x = sounds.gather(1, index) + self.part(part)
        x = x + self.offset(offset.clamp_max(LONGEST_OFFSET))
        x = x + self.remaining(remaining.clamp_max(LONGEST_OFFSET))
        mixed: Tensor = self.mix(F.gelu(x))
        return mixed * (symbol != AFTER_END)[..., None]

    def per_frame(self, latents: Tensor) -> Tensor:
        """latents: [B, (F + 1) * FRAME_LATENTS, cue_width] -> [B, F, width]."""
        frames = latents.reshape(len(latents), -1, FRAME_LATENTS * latents.shape[-1])
        folded: Tensor = self.fold(torch.cat([frames[:, :-1], frames[:, 1:]], -1))
        return folded


class Layer(nn.Module):
    """Pre-norm transformer layer over a sliding window, with a learned bias a distance."""

    def __init__(self, shape: TalkerShape) -> None:
        super().__init__()
        self.heads = shape.attention_heads
        self.window = shape.window_frames
        width = shape.width
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.distance_bias = nn.Parameter(torch.zeros(self.heads, self.window))
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, exists: Tensor, tape: Tape) -> Tensor:
        """x: [B, T, width]; exists: [B, window - 1 + T, 1], 0 before the start."""
        query, key_value = self.query_key_value(self.norm_attention(x)).split(
            [x.shape[-1], 2 * x.shape[-1]], -1
        )
        key, value = tape.extend(key_value, TIME).chunk(2, -1)
        scores = self._split(query) @ self._split(key).transpose(-1, -2)
        scores = scores * exact_div(x.shape[-1], self.heads) ** -0.5 + self._bias(x.shape[TIME])
        scores = scores.masked_fill(exists[:, None, None, :, 0] == 0, -torch.inf)
        mixed = scores.softmax(-1) @ self._split(value)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        y: Tensor = x + self.feed(self.norm_feed(x))
        return y

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _bias(self, steps: int) -> Tensor:
        """[heads, T, window - 1 + T]: step t sees keys t to t + window - 1."""
        keys = torch.arange(self.window - 1 + steps, device=self.distance_bias.device)
        queries = torch.arange(steps, device=keys.device)
        place = keys[None] - queries[:, None]
        bias = self.distance_bias[:, place.clamp(0, self.window - 1)]
        return bias.masked_fill((place < 0) | (place >= self.window), -torch.inf)


class Talker(nn.Module):
    def __init__(self, shape: TalkerShape) -> None:
        super().__init__()
        self.shape = shape
        digits, choices = shape.codec.dims, shape.codec.levels + 1
        self.pronunciation = PronunciationEncoder(shape.phoneme_width)
        self.cues = CueEncoder(shape)
        self.digits = nn.Embedding(digits * choices, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.heads = nn.Linear(shape.width, digits * shape.codec.levels)
        self.unrounded = nn.Linear(shape.width, digits)
        nn.init.normal_(self.digits.weight, std=digits**-0.5)

    def forward(self, cues: Tensor, previous: Tensor, tape: Tape) -> tuple[Tensor, Tensor]:
        """cues: [B, T, width] of CueEncoder; previous: [B, T, dims], the step before's digits.

        Returns logits [B, T, dims, levels] and the digits before rounding [B, T, dims].
        """
        x = cues + self._embedded(previous)
        exists = tape.extend(torch.ones_like(x[..., :1]), TIME)
        for layer in self.layers:
            x = layer(x, exists, tape)
        x = self.norm(x)
        logits = self.heads(x).reshape(*x.shape[:2], -1, self.shape.codec.levels)
        return logits, self.unrounded(x)

    def _embedded(self, digits: Tensor) -> Tensor:
        """digits: [B, T, dims] of 0..levels -> the sum of their embeddings [B, T, width]."""
        choices = self.shape.codec.levels + 1
        rows = digits + choices * torch.arange(digits.shape[-1], device=digits.device)
        summed = F.embedding_bag(rows.flatten(0, 1), self.digits.weight, mode="sum")
        return summed.reshape(*digits.shape[:2], -1)

    def context_shapes(self) -> list[Shape]:
        before = self.shape.window_frames - 1
        return [(before, 1), *[(before, 2 * self.shape.width)] * self.shape.layers]
