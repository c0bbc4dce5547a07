"""Training sequences: random sentences one after the other, as one utterance would have them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.nn.codec import FRAME_LATENTS
from voiceserver.nn.cues import after_end, cue_track
from voiceserver.nn.pronunciation_encoder import OUTSIDE, REACH
from voiceserver.training.corpus import Corpus


@dataclass(frozen=True)
class Batch:
    """Right-padded sequences; F counts their frames, `extra` the steps after the last frame."""

    symbols: Tensor  # [B, REACH + N + REACH]
    durations: Tensor  # [B, N, PARTS], 0 where padded and after a stop symbol
    cues: Tensor  # [B, (F + extra + 1) * FRAME_LATENTS, 4]
    latents: Tensor  # [B, F * FRAME_LATENTS, LATENT_DIMS]
    frames: Tensor  # [B]: frames of each sequence

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Packer:
    corpus: Corpus
    most_frames: int
    extra_frames: int  # steps that the latest head needs after the last frame

    def sentences(self) -> int:
        return len(self.corpus.latent_ends)

    def packed(
        self, sentences: NDArray[np.int64], rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """The sentences in random order, grouped up to `most_frames` a group."""
        lengths = np.diff(self.corpus.latent_ends, prepend=0)
        groups: list[list[int]] = [[]]
        total = 0
        for sentence in rng.permutation(sentences):
            total += int(lengths[sentence])
            if groups[-1] and total > self.most_frames * FRAME_LATENTS:
                groups.append([])
                total = int(lengths[sentence])
            groups[-1].append(int(sentence))
        return [np.array(group) for group in groups]

    def batches(
        self, sentences: NDArray[np.int64], size: int, rng: np.random.Generator
    ) -> Iterator[Batch]:
        groups = self.packed(sentences, rng)
        for start in range(0, len(groups) - size + 1, size):
            yield self.batch(groups[start : start + size])

    def batch(self, groups: list[NDArray[np.int64]]) -> Batch:
        items = [self._item(group) for group in groups]
        frames = [len(latents) // FRAME_LATENTS for _, _, latents in items]
        cue_latents = (max(frames) + self.extra_frames + 1) * FRAME_LATENTS
        cues = []
        for _, durations, _ in items:
            track = cue_track(durations).stacked()
            tail = after_end(cue_latents - len(track)).stacked()
            cues.append(np.concatenate([track, tail]))
        return Batch(
            symbols=_padded([np.pad(s, REACH, constant_values=OUTSIDE) for s, _, _ in items]),
            durations=_padded([durations for _, durations, _ in items]),
            cues=torch.from_numpy(np.stack(cues)),
            latents=_padded([latents for _, _, latents in items]),
            frames=torch.tensor(frames),
        )

    def _item(
        self, group: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Symbols, durations and latents; the last stop symbol is stretched to a whole frame."""
        corpus = self.corpus
        spans = [_span(corpus.symbol_ends, sentence) for sentence in group]
        symbols = np.concatenate([corpus.symbol_ids[span] for span in spans]).astype(np.int64)
        durations = np.concatenate([corpus.durations[span] for span in spans]).astype(np.int64)
        latents = np.concatenate(
            [corpus.latents[_span(corpus.latent_ends, sentence)] for sentence in group]
        ).astype(np.float32)
        missing = -len(latents) % FRAME_LATENTS
        durations[-1, 0] += missing
        return symbols, durations, np.pad(latents, ((0, missing), (0, 0)), mode="edge")


def _span(ends: NDArray[np.int64], index: int) -> slice:
    return slice(int(ends[index - 1]) if index else 0, int(ends[index]))


def _padded(arrays: list[NDArray]) -> Tensor:  # type: ignore[type-arg]
    longest = max(len(a) for a in arrays)
    widths = [[(0, longest - len(a))] + [(0, 0)] * (a.ndim - 1) for a in arrays]
    return torch.from_numpy(np.stack([np.pad(a, w) for a, w in zip(arrays, widths, strict=True)]))
