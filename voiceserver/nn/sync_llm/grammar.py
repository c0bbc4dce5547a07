"""Which token may come next: what constrained decoding allows while chunks are being written.

A `Draft` is what is written after our chunk N stands: the estimate of the user's chunk N, then our
own chunk N + 1, up to the tag that ends it. Choices are numbered as `Vocabulary.tokens` are: our
tag, the user's tag, then the units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from voiceserver.nn.sync_llm.chunks import Units

OWN, USER, FIRST_UNIT = 0, 1, 2  # choices

Mask = NDArray[np.bool_]  # [2 + units]


class Part(Enum):
    """Where in a chunk pair the next token stands."""

    BETWEEN = "after our chunk N"  # the user's tag, or our own if the user says nothing new
    USER = "in the user's chunk N"
    OWN = "in our chunk N + 1"
    DONE = "after it"


@dataclass
class Draft:
    """One estimate and one own chunk, token by token."""

    units: int  # in the vocabulary
    per_chunk: int
    user_before: int | None  # the user's last unit; None: not one yet
    own_before: int | None
    part: Part = Part.BETWEEN
    user: list[int] = field(default_factory=list)  # the estimate, new units only
    own: list[int] = field(default_factory=list)  # our next chunk, new units only

    @property
    def done(self) -> bool:
        return self.part is Part.DONE

    @property
    def result(self) -> tuple[Units, Units]:
        """The estimate of the user's chunk and our next one."""
        assert self.done, f"a draft that stands {self.part.value}"
        return tuple(self.user), tuple(self.own)

    def allowed(self) -> Mask:
        """What may come next; at least one choice."""
        mask = np.zeros(FIRST_UNIT + self.units, bool)
        match self.part:
            case Part.BETWEEN:
                mask[[OWN, USER]] = True
            case Part.USER:
                self._allow_units(mask, self.user, self.user_before)
                # The user's tag says that there is news: at least one unit follows it.
                mask[OWN] = bool(self.user)
            case Part.OWN:
                self._allow_units(mask, self.own, self.own_before)
                # The very first chunk says something: there is nothing it could continue.
                mask[[OWN, USER]] = bool(self.own) or self.own_before is not None
        return mask

    def _allow_units(self, mask: Mask, written: list[int], before: int | None) -> None:
        if len(written) < self.per_chunk:
            mask[FIRST_UNIT:] = True
            last = written[-1] if written else before
            if last is not None:
                mask[FIRST_UNIT + last] = False

    def forced(self) -> int | None:
        """The only choice that is left, if there is one."""
        if self.part is Part.USER and len(self.user) == self.per_chunk:
            return OWN
        if self.part is Part.OWN and len(self.own) == self.per_chunk:
            return OWN  # either tag: it ends our chunk, and is itself not kept
        return None

    def take(self, choice: int) -> None:
        """The next token has been chosen. The tag that ends our chunk is not part of the draft."""
        assert self.allowed()[choice], f"choice {choice} {self.part.value}"
        match self.part:
            case Part.BETWEEN:
                self.part = Part.USER if choice == USER else Part.OWN
            case Part.USER if choice == OWN:
                self.part = Part.OWN
            case Part.USER:
                self.user.append(choice - FIRST_UNIT)
            case Part.OWN if choice in (OWN, USER):
                self.part = Part.DONE
            case Part.OWN:
                self.own.append(choice - FIRST_UNIT)
