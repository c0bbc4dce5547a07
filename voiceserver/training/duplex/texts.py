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
# How somebody takes the floor, and what they say then, if it is no question.
TAKING_THE_FLOOR = (
    *("Wait,", "Sorry,", "No,", "Hold on.", "Actually,", "Excuse me,", "Hmm, wait.", "Okay, but"),
    *("Stop.", "Yes, but", "Yeah, but", "All right,", "All right.", "Right, but", "Right,", "Hey,"),
    *("Listen,", "Look,", "Hang on.", "Just a moment.", "One second,", "Oh,", "Oh, wait.", "Well,"),
    *("Fine,", "Thanks,", "Thank you.", "Enough.", "Never mind.", "But", "And", "So", "Pardon?"),
    *("Hey, assistant,", "I see, but", "Okay,", "Okay.", "Quiet.", "Yes, yes,", "Ah, no,"),
)
INSISTING = (
    *("that's not what I meant.", "I think that is wrong.", "I know all of this.", "you can stop."),
    *("let me think about it.", "that is too long for me.", "I don't believe that."),
    *("I didn't understand the beginning.", "I wanted to ask about something else."),
    *("start again from the beginning.", "I asked for the other city.", "do it tomorrow instead."),
    *("please speak more slowly.", "we are in a hurry.", "I changed my mind.", "that's plenty."),
    *("it was on Friday, not on Monday.", "tell me only the number.", "my phone is ringing."),
    *("leave that out.", "go back to the first one.", "somebody is calling me.", "not so fast."),
)
LITTLE_INTERRUPTIONS = (
    *("Stop!", "Wait.", "No, no.", "Okay, stop.", "Be quiet.", "Next one.", "Enough!", "Hey!"),
    *(
        "Never mind.",
        "Hang on.",
        "Thanks, that's it.",
        "Pause.",
        "What?",
        "Cancel that.",
        "Silence.",
    ),
)


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
            return _drawn_interruption(random)
        case "broadcasts":
            return " ".join(_statement(random, replies) for _ in range(3))
    raise AssertionError(kind)


def _drawn_interruption(random: Random) -> str:
    if random.random() < 0.2:
        return _chosen(random, LITTLE_INTERRUPTIONS)
    says = drawn_question(random) if random.random() < 0.6 else _chosen(random, INSISTING)
    if random.random() < 0.1:
        return says[0].upper() + says[1:]
    opening = _chosen(random, TAKING_THE_FLOOR)
    if opening[-1] in ".?":
        return f"{opening} {says[0].upper()}{says[1:]}"
    kept = re.match(r"I\b", says) is not None
    return f"{opening} {says if kept else says[0].lower() + says[1:]}"


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
