"""A dialogue as SmolLM2 reads it, cut from the oldest message to fit its context."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from voiceserver.config import DEFAULT_INSTRUCTIONS
from voiceserver.engine.messages import ChatMessage

# How the default assistant talks. So small a model takes its manner from examples far more than
# from instructions: with them its replies are half as long and without lists. They are read once,
# just after the engine has started, so they cost a reply nothing.
EXAMPLES = (
    ("Hi there.", "Hello! How can I help you today?"),
    ("What is the capital of Italy?", "The capital of Italy is Rome."),
    (
        "Why do leaves fall in autumn?",
        "Trees drop their leaves to save water and energy for the winter.",
    ),
    (
        "How do I make tea?",
        "Boil some water, pour it over a tea bag, and wait three minutes. "
        "Then take the bag out and enjoy.",
    ),
    ("I am tired.", "Oh, I am sorry to hear that. Maybe a short walk or a nap would help."),
    ("Thanks.", "You are welcome! Just ask if you need anything else."),
)
BEGIN, END = "<|im_start|>", "<|im_end|>"
UNSURE_WORDS = 1  # at the end of what was understood of somebody who is still speaking


class PromptWriter:
    """Turns dialogues into tokens, with SmolLM2's chat template."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.begin, self.end = (_control(tokenizer, name) for name in (BEGIN, END))
        self._closing = [self.end, *self._plain("\n")]

    def tokens(self, dialogue: Sequence[ChatMessage], budget: int) -> list[int]:
        """At most `budget` tokens: the head, the newest messages, and the reply's opening."""
        head = self.head(dialogue, budget)
        tail = self._opening("assistant")
        room = budget - len(head) - len(tail)
        turns: list[list[int]] = []
        for message in reversed([m for m in dialogue if m.role in ("user", "assistant")]):
            turn = self._message(message.role, message.text, budget // 2)
            if len(turn) > room:
                break
            turns.insert(0, turn)
            room -= len(turn)
        return head + [token for turn in turns for token in turn] + tail

    def settled(self, dialogue: Sequence[ChatMessage], budget: int) -> list[int]:
        """What the prompt will begin with once the user has finished their last message."""
        before, said = list(dialogue), ""
        if before and before[-1].role == "user":
            said = _without_last_words(before.pop().text)
        tokens = self.tokens([*before, ChatMessage("user", said)], budget)
        return tokens[: -self.tail_tokens]

    @property
    def tail_tokens(self) -> int:
        """So many come after the text of the last message."""
        return len(self._closing) + len(self._opening("assistant"))

    def head(self, dialogue: Sequence[ChatMessage], budget: int) -> list[int]:
        """The system message; the default one is followed by examples of how it is meant."""
        given = (m.text for m in dialogue if m.role == "system" and m.text)
        text = next(given, DEFAULT_INSTRUCTIONS)
        head = self._message("system", text, budget // 2)
        if text == DEFAULT_INSTRUCTIONS:
            for question, answer in EXAMPLES:
                head += self._message("user", question, budget)
                head += self._message("assistant", answer, budget)
        return head

    def _message(self, role: str, text: str, most: int) -> list[int]:
        """One message; of a very long one the end is kept, where the question usually stands."""
        opening = self._opening(role)
        room = most - len(opening) - len(self._closing)
        return opening + self._plain(text)[-room:] + self._closing

    def _opening(self, role: str) -> list[int]:
        return [self.begin, *self._plain(f"{role}\n")]

    def _plain(self, text: str) -> list[int]:
        """Tokens of a text whose control tokens count as text: nobody talks out of their turn."""
        harmless = text.replace("<|", "< |")
        ids: list[int] = self._tokenizer.encode(harmless).ids
        return ids


def _without_last_words(text: str) -> str:
    said, *unsure = text.rsplit(maxsplit=UNSURE_WORDS) or [""]
    return said if len(unsure) == UNSURE_WORDS else ""


def _control(tokenizer: Tokenizer, name: str) -> int:
    token = tokenizer.token_to_id(name)
    assert token is not None, f"the tokenizer has no {name}"
    return token
