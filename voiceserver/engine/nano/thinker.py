"""SmolLM2 writes replies for all slots: one batched step a tick, prompts taken in bounded pieces.

A slot's cache survives its replies: a new prompt keeps the longest beginning it shares with what
the cache holds, so each turn of a conversation reads only what is new, and less still where that
was read ahead while nobody wanted a reply. Rounding depends on how a prompt is cut into pieces. The
cuts depend on the prompt and the slot's own past, not on who else speaks: a session writes the same
alone and among others. Only what is read ahead is cut as it was understood and as the engine found
time for it: replies are then the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import torch
from tokenizers import Tokenizer

from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage, EndReason
from voiceserver.engine.nano.prompt import PromptWriter
from voiceserver.engine.nano.wording import WordingJudge, WordingReader
from voiceserver.engine.sampling import Sampling, draw
from voiceserver.engine.text import TextStream
from voiceserver.engine.thinking.thinker import Thinking
from voiceserver.nn.llama import KvCache, Llama, Segment

CONTEXT_TOKENS = 2048
LONGEST_REPLY_TOKENS = 512  # kept free for the reply, however many tokens it may have
PROMPT_TOKENS_PER_STEP = 24  # a usual question at once; bounds how long a step keeps others waiting


@dataclass
class Thought:
    """One reply being written."""

    prompt: list[int]
    max_tokens: int
    sampling: Sampling
    text: TextStream
    unread: list[int]  # of the prompt, or the last token drawn
    said: int | None  # tokens of the prompt up to the user's last word
    complete: float | None = None  # that the turn ends there, once that has been read
    written: list[int] = field(default_factory=list)


class SmolThinker:
    """The text model and the replies it is writing."""

    reads_ahead = True
    calls_tools = False  # far too small for it
    reads_images = False
    dialogue_chars = 6000  # about 1500 tokens: what two cores read without delay

    def __init__(
        self, llama: Llama, tokenizer: Tokenizer, slots: int, wording: WordingJudge | None = None
    ) -> None:
        """`wording` judges whether users have said all."""
        self._llama = llama
        self._tokenizer = tokenizer
        self._prompts = PromptWriter(tokenizer)
        self._wording = WordingReader(tokenizer, self._prompts.end, wording) if wording else None
        # One row more than there are slots: it holds the usual system message, to be copied.
        rows, self._model_row = slots + 1, slots
        self._cache = KvCache(llama.config, rows, CONTEXT_TOKENS)
        self._cached: list[list[int]] = [[] for _ in range(rows)]  # tokens behind each cache
        self._heads = [0] * rows  # how many of them come before the dialogue
        self._ahead: dict[int, list[int]] = {}  # what prompts will begin with, until it is read
        self._ahead[self._model_row] = self._prompts.head((), CONTEXT_TOKENS)
        self._heads[self._model_row] = len(self._ahead[self._model_row])
        self._thoughts: dict[int, Thought] = {}
        self._stops = (self._prompts.end, tokenizer.token_to_id("<|endoftext|>"))

    @classmethod
    def load(
        cls, gguf_file: Path, cache: Path, slots: int, wording: WordingJudge | None = None
    ) -> SmolThinker:
        """The int8 model, converted into `cache` on the first start."""
        from voiceserver.nn import llama_weights

        config, weights, tokenizer = llama_weights.load(gguf_file, cache)
        llama = Llama(config, weights, CONTEXT_TOKENS)
        return cls(llama, Tokenizer.from_file(str(tokenizer)), slots, wording)

    @property
    def cold(self) -> bool:
        """Whether `warm` has more to read."""
        return bool(self._ahead)

    def warm(self) -> None:
        """Read a piece of what prompts will begin with.

        The usual system message comes first, which every session's first reply can copy.
        """
        first = self._model_row in self._ahead
        slot = self._model_row if first else min(self._ahead, key=lambda s: len(self._ahead[s]))
        tokens = self._ahead.pop(slot)
        if self._cached[slot][: len(tokens)] == tokens:
            return  # and perhaps more of it, which may be right, too
        kept = self._reuse(slot, tokens)
        piece = self._piece(slot, tokens[kept:])
        if piece:
            self._llama.read(self._cache, [Segment(slot, piece)])
            self._cached[slot] += piece
        if kept + len(piece) < len(tokens):
            self._ahead[slot] = tokens

    def read_ahead(self, slot: int, dialogue: tuple[ChatMessage, ...]) -> None:
        """Let `warm` read what a prompt of this dialogue will begin with."""
        if slot in self._thoughts:
            return
        budget = CONTEXT_TOKENS - LONGEST_REPLY_TOKENS
        self._ahead[slot] = self._prompts.settled(dialogue, budget)
        self._heads[slot] = len(self._prompts.head(dialogue, budget))

    def forget(self, slot: int) -> None:
        """Drop a session's dialogue; its system message stays, as the next may have the same."""
        self.stop(slot)
        self._ahead.pop(slot, None)
        self._keep(slot, min(self._heads[slot], len(self._cached[slot])))

    def begin(self, slot: int, task: Task) -> None:
        """Start a reply; the shared beginning of the prompt is not read again."""
        budget = CONTEXT_TOKENS - min(task.max_tokens, LONGEST_REPLY_TOKENS)
        prompt = self._prompts.tokens(task.dialogue, budget)
        self._heads[slot] = len(self._prompts.head(task.dialogue, budget))
        self._ahead.pop(slot, None)
        said = None
        if self._wording:
            said = self._wording.said(task.dialogue, prompt, self._prompts.tail_tokens)
        # The last word, or else the last token, is read in any case, for the logits after it.
        kept = self._reuse(slot, prompt[: (said or len(prompt)) - 1])
        stream, sampling = TextStream(self._tokenizer), Sampling(task.temperature, task.seed)
        unread = prompt[kept:]
        self._thoughts[slot] = Thought(prompt, task.max_tokens, sampling, stream, unread, said)

    def stop(self, slot: int) -> None:
        """Drop a slot's reply; its cache is kept for the next."""
        self._thoughts.pop(slot, None)

    def has_more(self, slot: int) -> bool:
        return slot in self._thoughts

    def shut_down(self) -> None:
        """It has no thread of its own."""

    def step(self, slots: Sequence[int]) -> list[Thinking]:
        """Read a piece of prompt or write one token in each of these slots that has a reply."""
        writing = [slot for slot in slots if self._thoughts[slot].written]
        reading = [slot for slot in slots if not self._thoughts[slot].written]
        # One prompt at a time, the shortest first: reading is what makes a step long.
        reading.sort(key=lambda slot: len(self._thoughts[slot].unread))
        pieces = [(slot, self._thoughts[slot].unread) for slot in writing + reading[:1]]
        segments = [Segment(slot, self._piece(slot, unread)) for slot, unread in pieces]
        if not segments:
            return []
        x = self._llama.read(self._cache, segments)  # [N, D]
        rows = [end - 1 for end in accumulate(len(segment.tokens) for segment in segments)]
        row = self._last_word(segments[-1]) if reading else None
        if row is not None and self._wording:
            logits = self._llama.predict(x[[*rows, row]])  # [segments + 1, V]
            complete = self._wording.probability(x[row], logits[-1])
            self._thoughts[reading[0]].complete = complete
        else:
            logits = self._llama.predict(x[rows])  # [segments, V]
        thinking = (self._advance(s, row) for s, row in zip(segments, logits, strict=False))
        return [t for t in thinking if t is not None]

    def _last_word(self, last: Segment) -> int | None:
        """The row of a call's last segment, from the end, where the user's last word was read."""
        said = self._thoughts[last.slot].said
        begin = len(self._cached[last.slot])
        if said is None or not begin < said <= begin + len(last.tokens):
            return None
        return said - 1 - begin - len(last.tokens)

    def _piece(self, slot: int, unread: list[int]) -> list[int]:
        """What a slot reads next; no piece crosses the end of the system message."""
        read = len(self._cached[slot])
        most = PROMPT_TOKENS_PER_STEP
        if read < self._heads[slot]:
            most = min(most, self._heads[slot] - read)
        return unread[:most]

    def _reuse(self, slot: int, prompt: list[int]) -> int:
        """Keep what this slot has read of a prompt, or copy the system message from another."""
        kept = common_prefix(self._cached[slot], prompt)
        head = prompt[: self._heads[slot]]
        if kept < len(head):
            for other, cached in enumerate(self._cached):
                if other != slot and cached[: len(head)] == head:
                    self._cache.copy(other, slot, len(head))
                    self._cached[slot] = head
                    return len(head)
            kept -= kept % PROMPT_TOKENS_PER_STEP  # where a system message is cut, whoever reads it
        self._keep(slot, kept)
        return kept

    def _keep(self, slot: int, length: int) -> None:
        self._cache.rollback(slot, length)
        del self._cached[slot][length:]

    def _advance(self, segment: Segment, logits: torch.Tensor) -> Thinking | None:
        """Book what a slot has read; draw a token when the prompt is read whole. logits: [V]"""
        slot, thought = segment.slot, self._thoughts[segment.slot]
        self._cached[slot] += segment.tokens
        thought.unread = thought.unread[len(segment.tokens) :]
        if thought.unread:
            return None
        step = len(thought.written)
        token = draw(logits.numpy(), thought.sampling, step, thought.written)
        text, ended = "", None
        if token in self._stops:
            ended = EndReason.COMPLETED
        else:
            thought.written.append(token)
            thought.unread = [token]
            text = thought.text.push(token)
            full = self._cache.lengths[slot] >= CONTEXT_TOKENS
            if len(thought.written) >= thought.max_tokens or full:
                ended = EndReason.MAX_TOKENS
        if ended is not None:
            del self._thoughts[slot]
        counts = len(thought.prompt), len(thought.written)
        complete = thought.complete if step == 0 else None
        return Thinking(slot, text, ended, *counts, complete=complete)


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading tokens two sequences share."""
    shared = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        shared += 1
    return shared
