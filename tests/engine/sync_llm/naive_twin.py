"""The oracle of the latency-tolerant loop: no cache, no journal, everything computed from scratch.

Kept as full-rate units from the beginning on; every token costs a whole pass of somebody else's
Llama (transformers') over all that stands before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from voiceserver.nn.sync_llm.chunks import interpolated, written
from voiceserver.nn.sync_llm.vocabulary import Vocabulary

Logits = Callable[[Sequence[int]], NDArray[np.float32]]  # of the tag and unit tokens, after these
OWN, USER = 0, 1


class NaiveTwin:
    def __init__(
        self, vocabulary: Vocabulary, per_chunk: int, prompt: Sequence[int], silence: int
    ) -> None:
        self.vocabulary, self.count, self.prompt = vocabulary, per_chunk, list(prompt)
        self.own = [silence] * 2 * per_chunk
        self.user = [silence] * per_chunk  # always one chunk shorter than ours

    def hear(self, chunk: int, units: Sequence[int]) -> None:
        """The real units of a chunk in place of the estimate; chunk 0 is the first silent one."""
        self.user[chunk * self.count : (chunk + 1) * self.count] = units

    def step(self, logits: Logits) -> list[int]:
        """Estimate the user's chunk, append it and our next one; ours, greedy."""
        blank = [self.user[-1]] * self.count  # stands for "nothing new" where nothing is known
        chunks = written(self.own, self.user + blank, self.count)
        tokens = self.prompt + self.vocabulary.tokens_of(chunks)
        choice = self._best(logits(tokens), [OWN, USER])
        user: list[int] = []
        if choice == USER:
            tokens.append(self.vocabulary.user_tag)
            while True:
                tags = [OWN] if user else []
                unit = self._unit(logits(tokens), tags, user, self.user[-1])
                if unit is None:
                    break
                user.append(unit)
                tokens.append(self.vocabulary.units[unit])
        tokens.append(self.vocabulary.own_tag)
        own: list[int] = []
        while (unit := self._unit(logits(tokens), [OWN, USER], own, self.own[-1])) is not None:
            own.append(unit)
            tokens.append(self.vocabulary.units[unit])
        self.user += interpolated(user, self.user[-1], self.count)
        spoken = interpolated(own, self.own[-1], self.count)
        self.own += spoken
        return list(spoken)

    def _unit(
        self, logits: NDArray[np.float32], tags: list[int], written: list[int], before: int
    ) -> int | None:
        """A unit, or None for a tag."""
        last = written[-1] if written else before
        units = [2 + unit for unit in range(len(self.vocabulary.units)) if unit != last]
        choice = self._best(logits, tags + (units if len(written) < self.count else []))
        return choice - 2 if choice >= 2 else None

    def _best(self, logits: NDArray[np.float32], allowed: list[int]) -> int:
        return max(allowed, key=lambda choice: float(logits[choice]))
