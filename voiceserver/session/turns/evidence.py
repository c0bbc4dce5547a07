"""What tells the end of a turn from a pause inside it, weighed together.

The policy hears how it was said and how long it has been silent; a judge hears whether it sounded
complete; another reads whether its words leave anything to be said. Their logits are added, as
those of witnesses who know different things. Who has not been heard yet says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Final

# By replaying calls (`training.duplex.replay`): models/duplex_nano/README.md.
POLICY_WEIGHT: Final = 0.8
SOUND_WEIGHT: Final = 0.8
WORDS_WEIGHT: Final = 1.0
IMPATIENCE_PER_S, PATIENCE_S = 2.5, 0.5  # who has been silent so long will hardly go on
AT_FIRST: Final = -1.1  # a silence is a pause rather than an end
SUREST: Final = 1e-3  # no witness is believed beyond this, or its opposite


@dataclass
class TurnEvidence:
    """What witnesses say of one pause. None: not heard."""

    sounds_complete: float | None = None  # probability
    words_complete: float | None = None

    def probability(self, yields: float, silent_s: float) -> float:
        """That the turn is over, given what the policy makes of the newest window."""
        evidence = AT_FIRST + POLICY_WEIGHT * logit(yields)
        evidence += IMPATIENCE_PER_S * max(0.0, silent_s - PATIENCE_S)
        if self.sounds_complete is not None:
            evidence += SOUND_WEIGHT * logit(self.sounds_complete)
        if self.words_complete is not None:
            evidence += WORDS_WEIGHT * logit(self.words_complete)
        return 1 / (1 + exp(-evidence))


def logit(probability: float) -> float:
    bounded = min(max(probability, SUREST), 1 - SUREST)
    return log(bounded / (1 - bounded))
