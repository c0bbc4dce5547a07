"""Whether a user's words are all they wanted to say, by the text model that answers them.

The model reads them anyway. What it expects after the last of them tells "How can I" from "How can
I help": a sentence mark or the end of the message, or another word. Its state there also tells a
story that leads up to something from a question: a judge has learnt that (`nn.judges.WORDING`).
Marks that the recogniser has put behind the last word are not asked: it ends whatever it hears like
a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor

from voiceserver.engine.messages import ChatMessage

_ENDS = re.compile(r"[\"')]*[.?!](?!\.)")  # not "...", which ends nothing
_SUREST = 1e-4  # no expectation is believed beyond this
_HALF = 0.5  # of a logit: of the size of the other features
_PART_OF_A_SIGN = "\N{REPLACEMENT CHARACTER}"  # tokens are bytes


WordingJudge = Callable[[Tensor], Tensor]  # features [B, nn.judges.WORDING.features] -> [B]


class WordingReader:
    """Finds the user's last word in prompts, and judges by what the model makes of it."""

    def __init__(self, tokenizer: Tokenizer, message_end: int, judge: WordingJudge) -> None:
        self._tokenizer = tokenizer
        self._judge = judge
        vocabulary: dict[str, int] = tokenizer.get_vocab()
        ends = [token for piece, token in vocabulary.items() if _ENDS.match(piece)]
        self._ends = torch.tensor([*ends, message_end])

    def said(self, dialogue: Sequence[ChatMessage], prompt: Sequence[int], tail: int) -> int | None:
        """How many tokens of a prompt there are up to the user's last word; None: there is none.

        `tail`: so many come after the message.
        """
        if not dialogue or dialogue[-1].role != "user" or not _has_word(dialogue[-1].text):
            return None
        after = len(prompt) - tail
        while not _has_word(self._tokenizer.decode([prompt[after - 1]])):
            after -= 1
        return after

    def probability(self, state: Tensor, logits: Tensor) -> float:
        """That the user's turn ends there: the last layer's state [D] and what follows it [V]."""
        return float(self._judge(self.features(state, logits)[None]))

    def features(self, state: Tensor, logits: Tensor) -> Tensor:
        """What the judge is told: [D + 1]"""
        size = len(state) ** 0.5 / torch.linalg.vector_norm(state)
        ends = torch.logit(torch.softmax(logits, -1)[self._ends].sum(), _SUREST)
        return torch.cat([state * size, _HALF * ends[None]])


def _has_word(text: str) -> bool:
    return any(sign.isalnum() or sign == _PART_OF_A_SIGN for sign in text)
