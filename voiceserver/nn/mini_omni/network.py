"""Mini-Omni's transformer for many rows at once; all state is in the cache it is handed.

`read` takes any number of columns of several rows from the host. `decode` takes one position of
each of N rows, all on the device, in operations whose shapes depend on N alone, so that a whole
step can be captured in a CUDA graph. Both run the same layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceserver import kernels
from voiceserver.errors import AssetError
from voiceserver.nn.mini_omni import prompts, vocabulary, weights
from voiceserver.nn.mini_omni.cache import KvCache
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.vocabulary import AUDIO_STREAMS, AUDIO_VOCABULARY, TEXT_STREAM
from voiceserver.nn.trunk import Trunk, rotary_frequencies, rotary_tables


@dataclass(frozen=True)
class Segment:
    """Columns that a row reads, to stand after what its cache holds."""

    row: int
    ids: Tensor  # [n, 8] int64, each stream's ids counted from 0
    features: Tensor | None = None  # [m, whisper]; replace streams 0-6 from column `features_at` on
    features_at: int = 0


class MiniOmni:
    """The network: weights and rotary tables."""

    def __init__(
        self,
        config: MiniOmniConfig,
        state: Mapping[str, Tensor],
        device: torch.device,
        dtype: torch.dtype,
        int8: bool = False,
    ) -> None:
        if int8 and (device.type != "cpu" or dtype != torch.float32):
            raise AssetError("int8 products are for the CPU, between float32 activations")
        weights.check(config, state)
        self.config, self.device, self.dtype = config, device, dtype
        self._weights = weights.assemble(config, state, device, dtype, int8)
        frequency = rotary_frequencies(config.head_dim, config.rope_base, device)
        cos, sin = rotary_tables(frequency, config.positions)
        layers, norm = self._weights.layers, self._weights.norm
        self._trunk = Trunk(layers, norm, cos, sin, config.norm_epsilon)
        self._offsets = vocabulary.stream_offsets().to(device)

    def new_cache(self, rows: int, positions: int | None = None) -> KvCache:
        count = self.config.positions if positions is None else positions
        return KvCache(self.config, rows, count, self.device, self.dtype)

    @torch.inference_mode()
    def read(self, cache: KvCache, segments: Sequence[Segment]) -> Tensor:
        """Append each segment to its row; what the heads take, of all columns: [N, D]"""
        for segment in segments:
            self._check(segment)
        spans = [cache.span(segment.row, len(segment.ids)) for segment in segments]
        assert len({segment.row for segment in segments}) == len(segments), "a row occurs twice"
        x = torch.cat([self._embed_segment(segment) for segment in segments])  # [N, D]
        rows = [s.row for s, span in zip(segments, spans, strict=True) for _ in span]
        positions = [position for span in spans for position in span]

        index = torch.tensor([rows, positions], device=self.device)
        hidden = self._run(x, cache, index[0], index[1])
        for segment, span in zip(segments, spans, strict=True):
            cache.append(segment.row, span)
        return hidden

    def decode(self, ids: Tensor, cache: KvCache, rows: Tensor, positions: Tensor) -> Tensor:
        """One column of each of N rows, written at its position; what the heads take: [N, D]

        ids: [N, 8], rows, positions: [N], all on the device. The cache's lengths are not looked at.
        """
        x = kernels.embedding_mean(self._shifted(ids), self._weights.table)
        return self._run(x, cache, rows, positions)

    def audio_logits(self, hidden: Tensor) -> Tensor:
        """[N, D] -> [N, 7, 4160]"""
        logits = self._weights.audio_head(hidden)
        return logits.view(len(hidden), AUDIO_STREAMS, AUDIO_VOCABULARY)

    def text_logits(self, hidden: Tensor) -> Tensor:
        """[N, D] -> [N, 152000]"""
        return self._weights.text_head(hidden)

    def _check(self, segment: Segment) -> None:
        prompts.check(segment.ids)
        if segment.features is not None:
            whisper_dim, columns = self.config.whisper_dim, len(segment.ids)
            prompts.check_features(segment.features, whisper_dim, segment.features_at, columns)

    def _shifted(self, ids: Tensor) -> Tensor:
        return vocabulary.layershift(ids, self._offsets)

    def _embed_segment(self, segment: Segment) -> Tensor:
        """The mean of the eight streams of each column, in float32: [n, D]"""
        ids = self._shifted(segment.ids.to(self.device))
        x = kernels.embedding_mean(ids, self._weights.table)
        if segment.features is not None and len(segment.features):
            spot = slice(segment.features_at, segment.features_at + len(segment.features))
            text = self._weights.table[ids[spot, TEXT_STREAM]].float()
            heard = self._adapt(segment.features.to(self.device, self.dtype)).float()
            x[spot] = (AUDIO_STREAMS * heard + text) / vocabulary.STREAMS
        return x

    def _adapt(self, features: Tensor) -> Tensor:
        """What Whisper hears, as the model reads it: [m, whisper] -> [m, D]"""
        gate_up = self._weights.adapter_gate_up(features)
        return self._weights.adapter_down(kernels.swiglu(gate_up))

    def _run(self, x: Tensor, cache: KvCache, rows: Tensor, positions: Tensor) -> Tensor:
        """All layers and the last norm. x: [N, D]; rows, positions: [N], a row's side by side"""
        return self._trunk.run(x, cache.keys, cache.values, rows, positions)
