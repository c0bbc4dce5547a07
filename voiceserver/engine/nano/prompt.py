"""A dialogue as SmolLM2 reads it, cut from the oldest message to fit its context."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from voiceserver.engine.messages import ChatMessage

PERSONA = (
    "You are a friendly voice assistant. "
    "Answer in one or two short spoken sentences, without lists or markup."
)
BEGIN, END = "<|im_start|>", "<|im_end|>"


class PromptWriter:
    """Turns dialogues into tokens, with SmolLM2's chat template."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.begin = tokenizer.token_to_id(BEGIN)
        self.end = tokenizer.token_to_id(END)

    def tokens(self, dialogue: Sequence[ChatMessage], budget: int) -> list[int]:
        """At most `budget` tokens: the system message, the newest messages, and the reply's opening."""
        system = next((m.text for m in dialogue if m.role == "system"), "") or PERSONA
        head = self._message("system", system, budget // 2)
        tail = [self.begin, *self._plain("assistant\n")]
        room = budget - len(head) - len(tail)
        turns: list[list[int]] = []
        for message in reversed([m for m in dialogue if m.role != "system"]):
            turn = self._message(message.role, message.text, budget // 2)
            if len(turn) > room:
                break
            turns.insert(0, turn)
            room -= len(turn)
        return head + [token for turn in turns for token in turn] + tail

    def _message(self, role: str, text: str, most: int) -> list[int]:
        """One message; of a very long one the end is kept, where the question usually stands."""
        opening = [self.begin, *self._plain(f"{role}\n")]
        closing = [self.end, *self._plain("\n")]
        room = most - len(opening) - len(closing)
        return opening + self._plain(text)[-room:] + closing

    def _plain(self, text: str) -> list[int]:
        """Tokens of a text in which control tokens are only text: nobody talks their way out of a turn."""
        harmless = text.replace("<|", "< |")
        ids: list[int] = self._tokenizer.encode(harmless).ids
        return ids
