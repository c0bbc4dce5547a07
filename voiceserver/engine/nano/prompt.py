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
        self.begin, self.end = (_control(tokenizer, name) for name in (BEGIN, END))

    def tokens(self, dialogue: Sequence[ChatMessage], budget: int) -> list[int]:
        """At most `budget` tokens: system message, newest messages, and the reply's opening."""
        head = self.head(dialogue, budget)
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

    def head(self, dialogue: Sequence[ChatMessage], budget: int) -> list[int]:
        """The system message: the dialogue's first, or a voice assistant's persona."""
        text = next((m.text for m in dialogue if m.role == "system" and m.text), PERSONA)
        return self._message("system", text, budget // 2)

    def _message(self, role: str, text: str, most: int) -> list[int]:
        """One message; of a very long one the end is kept, where the question usually stands."""
        opening = [self.begin, *self._plain(f"{role}\n")]
        closing = [self.end, *self._plain("\n")]
        room = most - len(opening) - len(closing)
        return opening + self._plain(text)[-room:] + closing

    def _plain(self, text: str) -> list[int]:
        """Tokens of a text whose control tokens count as text: nobody talks out of their turn."""
        harmless = text.replace("<|", "< |")
        ids: list[int] = self._tokenizer.encode(harmless).ids
        return ids


def _control(tokenizer: Tokenizer, name: str) -> int:
    token = tokenizer.token_to_id(name)
    assert token is not None, f"the tokenizer has no {name}"
    return token
