"""What the Piper users say, beside the training texts of `voiceserver.scenes`: by templates.

Marks (`|`) are put between words, where somebody may hesitate, as the scenes' texts have them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from voiceserver.scenes.texts import texts
from voiceserver.training.prompts import sample_prompts
from voiceserver.training.replies import Reply

Random = np.random.Generator

LONGEST_STATEMENT_CHARS = 90
TAKING_THE_FLOOR = (
    "Wait, {}",
    "Sorry, {}",
    "No, {}",
    "Hold on. {}",
    "Actually, {}",
    "Excuse me, {}",
    "Hmm, wait. {}",
    "Okay, but {}",
    "Stop. {}",
    "Yes, but {}",
    "{}",
)
LITTLE_INTERRUPTIONS = ("Stop!", "Wait.", "No, no.", "Okay, stop.", "Be quiet.", "Next one.")


def drawn_text(random: Random, kind: str, replies: Sequence[Reply]) -> str:
    """A text of one of the scenes' kinds."""
    given = texts(kind, "training")
    if kind in ("backchannels", "fillers", "asides") or random.random() < 0.3:
        return _chosen(random, given)
    match kind:
        case "questions":
            return marked(random, drawn_question(random))
        case "long_turns":
            sentences = [marked(random, _statement(random, replies)) for _ in range(2)]
            return " | ".join([*sentences, marked(random, drawn_question(random))])
        case "interruptions":
            if random.random() < 0.25:
                return _chosen(random, LITTLE_INTERRUPTIONS)
            asked = drawn_question(random)
            return _chosen(random, TAKING_THE_FLOOR).format(asked[0].lower() + asked[1:])
        case "broadcasts":
            return " ".join(_statement(random, replies) for _ in range(3))
    raise AssertionError(kind)


def marked(random: Random, text: str) -> str:
    """The text with one or two marks, not beside its first and last words."""
    words = text.split()
    inner = np.arange(2, len(words) - 1)
    if len(inner) == 0:
        return text
    count = min(len(inner), int(random.integers(1, 3)))
    for place in sorted(random.choice(inner, count, replace=False), reverse=True):
        words.insert(int(place), "|")
    return " ".join(words)


def drawn_question(random: Random) -> str:
    """A question or request, without marks."""
    return sample_prompts(1, int(random.integers(1 << 31)))[0]


def _statement(random: Random, replies: Sequence[Reply]) -> str:
    """A sentence of some reply."""
    while True:
        reply = replies[int(random.integers(len(replies)))]
        sentence = _chosen(random, re.split(r"(?<=[.!?])\s+", reply.text))
        if 15 <= len(sentence) <= LONGEST_STATEMENT_CHARS and sentence[-1:] in ".!?":
            return sentence


def _chosen(random: Random, choices: Sequence[str]) -> str:
    return choices[int(random.integers(len(choices)))]
