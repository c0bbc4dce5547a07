"""What tells the end of a turn from a pause inside it, weighed together.

The policy hears how it was said and how long it has been silent; a judge hears whether it sounded
complete; the recogniser writes a question mark or not, and the text model reads whether a sentence
ends there. Their logits are added, as those of witnesses who know different things. Who has not
been heard yet says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Final

# By replaying calls of the development speakers (`training.duplex.replay`); what the first two were
# before. What else was tried, and how it did on voices never heard: models/duplex_nano/README.md.
POLICY_WEIGHT: Final = 1.0
SOUND_WEIGHT: Final = 0.5
SENTENCE_WEIGHT: Final = 0.35  # of how surely a sentence ends behind the last word
QUESTION: Final = 0.85  # a question where a sentence may as well end as not
STATEMENT: Final = -0.35  # anything else: a question may follow, however complete it is
LEAST_COMPLETE: Final = 0.076  # a word misread makes a whole sentence look like half a one
IMPATIENCE_PER_S, PATIENCE_S = 1.5, 0.4  # who has been silent so long will hardly go on
AT_FIRST: Final = -0.25  # a silence is a pause rather than an end
SUREST: Final = 1e-3  # no witness is believed beyond this, or its opposite


@dataclass(frozen=True)
class Words:
    """What was said before a pause."""

    complete: float  # how likely a sentence ends behind the last word
    question: bool

    @property
    def evidence(self) -> float:
        """Above 0 for an end, below for a pause."""
        sentence = SENTENCE_WEIGHT * logit(max(self.complete, LEAST_COMPLETE))
        return (QUESTION if self.question else STATEMENT) + sentence


@dataclass
class TurnEvidence:
    """What witnesses say of one pause. None: not heard."""

    sounds_complete: float | None = None  # probability
    words: Words | None = None

    def probability(self, yields: float, silent_s: float) -> float:
        """That the turn is over, given what the policy makes of the newest window."""
        evidence = AT_FIRST + POLICY_WEIGHT * logit(yields)
        evidence += IMPATIENCE_PER_S * max(0.0, silent_s - PATIENCE_S)
        if self.sounds_complete is not None:
            evidence += SOUND_WEIGHT * logit(self.sounds_complete)
        if self.words is not None:
            evidence += self.words.evidence
        return 1 / (1 + exp(-evidence))


def logit(probability: float) -> float:
    bounded = min(max(probability, SUREST), 1 - SUREST)
    return log(bounded / (1 - bounded))
