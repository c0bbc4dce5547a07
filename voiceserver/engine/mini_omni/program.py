"""The device's part of a step: each row's current column in, each voice's next column out.

Everything lives in tensors that stay where they are, shapes depend on the number of rows alone and
nothing is read on the host, so that a whole step can be captured in a CUDA graph.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from voiceserver import kernels
from voiceserver.nn.mini_omni.cache import KvCache
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.mini_omni.vocabulary import PAD_A, STREAMS, TEXT_STREAM

# The published code always takes the best id. Where a caller wants a temperature, this many
# compete in each stream: a choice of ours.
TOP_K: Final = 50
PLAN_FIELDS: Final = 6
PLAN_POSITIONS: Final = 1  # index of that field


class StepProgram:
    """The voices' current columns on the device, and the function that advances them.

    A plan [6, N] lists the rows of a step, those that speak before those that write:
    cache row; position; whose column it reads; whose text it decides; the text of a voice that
    nobody writes for; how many steps its voice has made. The last voice is nobody's: padding.
    """

    def __init__(self, network: MiniOmni, cache: KvCache, voices: int) -> None:
        self.network, self.cache, self.nobody = network, cache, voices
        count, device = voices + 1, network.device
        self._columns = torch.zeros(count, STREAMS, dtype=torch.int64, device=device)
        self._seeds = torch.zeros(count, dtype=torch.int64, device=device)
        self._temperatures = torch.zeros(count, device=device)

    def set(self, voice: int, column: Tensor, temperature: float, seed: int) -> None:
        """A voice's current column [8] and how it samples."""
        self._columns[voice] = column.to(self._columns.device)
        self._seeds[voice] = seed
        self._temperatures[voice] = temperature

    @torch.inference_mode()
    def advance(self, plan: Tensor, speaking: int, own_text: bool) -> Tensor:
        """One step of N rows; the columns after it: [N, 8], of a row that of its voice.

        The first `speaking` rows speak. `own_text`: some of them write their own text as well.
        """
        rows, positions, voices, writes_for, fills, counters = plan.unbind(0)
        heat, seeds = self._temperatures[voices], self._seeds[voices]
        ids = self._columns[voices]  # [N, 8]
        ids[speaking:, :TEXT_STREAM] = PAD_A  # a row that writes never hears what is spoken
        hidden = self.network.decode(ids, self.cache, rows, positions)  # [N, D]

        def sampled(logits: Tensor, part: slice, head: int) -> Tensor:
            """Ids of [n, H, V] logits: [n, H]"""
            return kernels.sample_heads(
                logits, heat[part], TOP_K, seeds[part], counters[part], head
            )

        if speaking:
            part = slice(0, speaking)
            audio = sampled(self.network.audio_logits(hidden[part]), part, 0)
            columns = torch.cat([audio, fills[part, None]], dim=1)  # [speaking, 8]
            self._columns.index_copy_(0, voices[part], columns)
        part = slice(0 if own_text else speaking, len(rows))
        if part.start < part.stop:
            logits = self.network.text_logits(hidden[part])[:, None]  # [n, 1, 152000]
            text = sampled(logits, part, TEXT_STREAM)
            self._columns[:, TEXT_STREAM].index_copy_(0, writes_for[part], text[:, 0])
        return self._columns[voices]
