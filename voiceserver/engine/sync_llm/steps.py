"""The latency-tolerant step, for any number of slots together: one row of the cache a slot.

Before step N a slot's context has our chunks up to N and the user's up to N - 1. What changed of it
since the last step (a real chunk in the place of an estimate, and all after it) is read anew; then
the user's chunk N is estimated and our chunk N + 1 is written, token by token, all slots abreast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from voiceserver.engine.sampling import Sampling, nucleus, uniform
from voiceserver.engine.sync_llm.context import Context
from voiceserver.nn.sync_llm.backbone import Backbone, Segment
from voiceserver.nn.sync_llm.chunks import Units
from voiceserver.nn.sync_llm.grammar import Draft, Mask
from voiceserver.nn.sync_llm.vocabulary import Vocabulary

DRAWS_A_CHUNK = 64  # more than a draft can take: a chunk's random numbers are its own


class Steps:
    """Contexts of the open slots, and the network that continues them."""

    def __init__(
        self, backbone: Backbone, vocabulary: Vocabulary, slots: int, positions: int
    ) -> None:
        self._backbone, self._tokens = backbone, vocabulary.tokens
        self._cache = backbone.new_cache(slots, positions)
        self._contexts: dict[int, Context] = {}
        self._sampling: dict[int, Sampling] = {}

    def open(self, slot: int, context: Context, sampling: Sampling) -> None:
        self._contexts[slot], self._sampling[slot] = context, sampling
        self._cache.rollback(slot, 0)

    def close(self, slot: int) -> None:
        del self._contexts[slot], self._sampling[slot]

    @property
    def contexts(self) -> Mapping[int, Context]:
        """Of the open slots."""
        return self._contexts

    def step(self, slots: Sequence[int]) -> dict[int, Units]:
        """Estimate the user's newest chunk and write our next one: ours, at full rate, by slot."""
        drafts = {slot: self._contexts[slot].draft() for slot in slots}
        ends = {slot: self._contexts[slot].last for slot in slots}
        taken = dict.fromkeys(slots, 0)
        segments = [Segment(slot, self._renewed(slot)) for slot in slots]
        while segments:
            logits = self._backbone.read(self._cache, segments).cpu().numpy()
            going: list[Segment] = []
            for segment, row in zip(segments, logits, strict=True):
                slot, draft = segment.row, drafts[segment.row]
                self._contexts[slot].was_read(segment.tokens)
                draw = ends[slot] * DRAWS_A_CHUNK + taken[slot]
                choice = chosen(row, draft.allowed(), self._sampling[slot], draw)
                tokens = self._taken(draft, choice)
                taken[slot] += 1
                if not draft.done:
                    going.append(Segment(slot, tokens))
            segments = going
        return {slot: self._contexts[slot].drafted(draft) for slot, draft in drafts.items()}

    def _renewed(self, slot: int) -> list[int]:
        """Forget what no longer holds of a slot's row; what is to be read instead."""
        context = self._contexts[slot]
        length, tokens = context.plan()
        self._cache.rollback(slot, length)
        if (gone := context.evict()) is not None:
            self._backbone.drop(self._cache, slot, *gone)
            length, tokens = context.plan()
            self._cache.rollback(slot, length)
        return tokens

    def _taken(self, draft: Draft, choice: int) -> list[int]:
        """Let a choice, and those that it leaves no choice but to follow, be taken: their tokens"""
        draft.take(choice)
        tokens = [self._tokens[choice]]
        while not draft.done and (forced := draft.forced()) is not None:
            draft.take(forced)
            tokens.append(self._tokens[forced])
        return tokens


def chosen(logits: NDArray[np.float32], mask: Mask, sampling: Sampling, draw: int) -> int:
    """The likeliest of the allowed choices, or drawn by temperature and nucleus. logits: [V]"""
    logits = np.where(mask, logits, -np.inf)
    if sampling.temperature <= 0.0:
        return int(logits.argmax())
    choices, probability = nucleus(logits / sampling.temperature)
    drawn = int(np.searchsorted(probability.cumsum(), uniform(sampling.seed, draw)))
    return int(choices[min(drawn, len(choices) - 1)])
