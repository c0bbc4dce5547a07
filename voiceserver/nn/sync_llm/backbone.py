"""SyncLLM's Llama for many rows at once: ragged reading, and the choices a chunk's token has.

Of the head only the rows of tags and units are kept: in the synchronous stream nothing else may be
said. All state is in the cache that is passed in; rolling a row back is to shorten its length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.linear import FloatLinear, Linear, rounded
from voiceserver.nn.mini_omni.cache import KvCache
from voiceserver.nn.sync_llm import weights
from voiceserver.nn.sync_llm.config import LlamaShape
from voiceserver.nn.trunk import Trunk, rotary_tables


@dataclass(frozen=True)
class Segment:
    """Tokens that a row reads, to stand after what its cache holds; at least one."""

    row: int
    tokens: Sequence[int]


class Backbone:
    """The network: weights and rotary tables."""

    def __init__(
        self,
        shape: LlamaShape,
        state: Mapping[str, Tensor],
        choices: Sequence[int],  # the tokens that may be said
        device: torch.device,
        dtype: torch.dtype,
        int8: bool = False,
    ) -> None:
        if int8 and (device.type != "cpu" or dtype != torch.float32):
            raise AssetError("int8 products are for the CPU, between float32 activations")
        if max(choices) >= shape.vocabulary:
            raise AssetError(
                f"the tokenizer has ids up to {max(choices)}, the weights {shape.vocabulary}"
            )
        self.shape, self.device, self.dtype = shape, device, dtype
        cos, sin = rotary_tables(shape.frequencies(device), shape.positions)
        layers = weights.layers(shape, state, device, dtype, int8)
        norm = state[weights.NORM].to(device, dtype)
        self._trunk = Trunk(layers, norm, cos, sin, shape.norm_epsilon)
        self._table = state[weights.TABLE].to(device, dtype)  # [V, D]
        head = state.get(weights.HEAD, state[weights.TABLE])[list(choices)]
        self._head: Linear  # D -> choices
        self._head = rounded(head.float()) if int8 else FloatLinear(head.to(device, dtype))

    def new_cache(self, rows: int, positions: int) -> KvCache:
        return KvCache(self.shape, rows, positions, self.device, self.dtype)

    @torch.inference_mode()
    def read(self, cache: KvCache, segments: Sequence[Segment]) -> Tensor:
        """Append each segment to its row; logits of the choices after it: [segments, choices]"""
        assert all(s.tokens for s in segments), "nothing to read"
        assert len({s.row for s in segments}) == len(segments), "a row occurs twice"
        spans = [cache.span(s.row, len(s.tokens)) for s in segments]
        tokens = [token for s in segments for token in s.tokens]
        rows = [s.row for s in segments for _ in s.tokens]
        positions = [position for span in spans for position in span]
        ends = torch.tensor([len(span) for span in spans]).cumsum(0) - 1
        index = torch.tensor([tokens, rows, positions], device=self.device)
        x = self._table[index[0]].float()  # [N, D]
        hidden = self._trunk.run(x, cache.keys, cache.values, index[1], index[2])
        for segment, span in zip(segments, spans, strict=True):
            cache.append(segment.row, span)
        logits: Tensor = self._head(hidden[ends.to(self.device)]).float()
        return logits

    @torch.inference_mode()
    def drop(self, cache: KvCache, row: int, begin: int, end: int) -> None:
        """Take positions [begin, end) out of a row; what stands after them moves up.

        Keys are turned back to their new positions. What later positions had read of those taken
        out stays in their values, as it is with any window that slides over a cache.
        """
        length = int(cache.lengths[row])
        assert 0 <= begin < end <= length, f"row {row}: {begin}-{end} of {length}"
        cos, sin = self._trunk.cos[end - begin], self._trunk.sin[end - begin]  # [d / 2]
        for keys, values in zip(cache.keys, cache.values, strict=True):
            first, second = keys[row, end:length].float().chunk(2, dim=-1)  # [n, Hkv, d / 2]
            turned = torch.cat([first * cos + second * sin, second * cos - first * sin], dim=-1)
            keys[row, begin : length - end + begin] = turned.to(keys.dtype)
            values[row, begin : length - end + begin] = values[row, end:length].clone()
        cache.rollback(row, length - end + begin)
