"""Whether what a user has said reads like a whole sentence, by the text model that answers it.

The model reads the user's words anyway. What it expects after the last of them tells "How can I"
from "How can I help": a sentence mark or the end of the message, or another word. Marks that the
recogniser has put behind the last word are not asked: it ends whatever it hears like a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor

from voiceserver.engine.messages import ChatMessage

_ENDS = re.compile(r"[\"')]*[.?!](?!\.)")  # not "...", which ends nothing
_PART_OF_A_SIGN = "\N{REPLACEMENT CHARACTER}"  # tokens are bytes


class SentenceEnd:
    """Finds the user's last word in prompts, and judges by the logits after it."""

    def __init__(self, tokenizer: Tokenizer, message_end: int) -> None:
        self._tokenizer = tokenizer
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

    def probability(self, logits: Tensor) -> float:
        """That a sentence ends there: [V]"""
        return float(torch.softmax(logits, -1)[self._ends].sum())


def _has_word(text: str) -> bool:
    return any(sign.isalnum() or sign == _PART_OF_A_SIGN for sign in text)
