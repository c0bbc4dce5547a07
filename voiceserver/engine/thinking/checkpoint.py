"""A thinker from a checkpoint folder. One thread runs it, so that the loop never waits for it.

Slots take turns token by token, and prompts are read in pieces: nobody waits long for another.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage, EndReason
from voiceserver.engine.sampling import Sampling, draw
from voiceserver.engine.text import REPLACEMENT
from voiceserver.engine.thinking.checkpoint_model import CHARS_PER_TOKEN, CheckpointModel
from voiceserver.engine.thinking.checkpoint_tools import CallSplitter
from voiceserver.engine.thinking.desk import Desk, Thought, apology
from voiceserver.engine.thinking.thinker import Thinking
from voiceserver.engine.tools import ToolCall

log = logging.getLogger(__name__)

PIECE_TOKENS = 128  # of a prompt, before others have their turn
_UNDECODED_TOKENS = 8  # so many without a whole character are none


@dataclass(eq=False)
class _Reply:
    """One reply as the thread writes it."""

    thought: Thought
    sampling: Sampling
    prompt: list[int]
    unread: list[int]
    most_tokens: int
    written: list[int] = field(default_factory=list)
    told: int = 0  # of the written tokens, those whose text has been put
    begun: bool = False  # some text has been put
    splitter: CallSplitter = field(default_factory=CallSplitter)


class CheckpointThinker:
    """Replies of all slots, written by a model of the operator's."""

    reads_images = False
    cold = reads_ahead = False

    def __init__(self, model: CheckpointModel, wake: Callable[[], None]) -> None:
        self.calls_tools = model.calls_tools
        self.dialogue_chars = model.context_tokens * CHARS_PER_TOKEN
        self._model = model
        self._desk = Desk(wake)
        self._news = threading.Condition()
        self._opened: list[Thought] = []
        self._forgotten: list[int] = []
        self._over = False
        self._thread = threading.Thread(target=self._run, name="checkpoint thinker", daemon=True)
        self._thread.start()

    # --- on the loop's thread ---------------------------------------------------------------------

    def warm(self) -> None:
        """There is nothing to warm."""

    def read_ahead(self, slot: int, dialogue: tuple[ChatMessage, ...]) -> None:
        """It reads a prompt when it is wanted."""

    def begin(self, slot: int, task: Task) -> None:
        with self._news:
            self._opened.append(self._desk.open(slot, task))
            self._news.notify()

    def stop(self, slot: int) -> None:
        """Drop the reply; what was read is kept for the next."""
        self._desk.drop(slot)

    def forget(self, slot: int) -> None:
        self.stop(slot)
        with self._news:
            self._forgotten.append(slot)
            self._news.notify()

    def has_more(self, slot: int) -> bool:
        return self._desk.has_more(slot)

    def step(self, slots: Sequence[int]) -> list[Thinking]:
        return self._desk.take(slots)

    def shut_down(self) -> None:
        with self._news:
            self._over = True
            self._news.notify()
        self._thread.join()

    # --- on the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        replies: dict[int, _Reply] = {}
        while True:
            with self._news:
                while not (self._opened or self._forgotten or replies or self._over):
                    self._news.wait()
                if self._over:
                    return
                opened, self._opened = self._opened, []
                forgotten, self._forgotten = self._forgotten, []
            for slot in forgotten:
                replies.pop(slot, None)
                self._model.forget(slot)
            for thought in opened:
                replies.pop(thought.slot, None)
                self._guarded(thought, replies, self._open)
            for reply in list(replies.values()):
                self._guarded(reply.thought, replies, self._advance)

    def _guarded(
        self,
        thought: Thought,
        replies: dict[int, _Reply],
        work: Callable[[Thought, dict[int, _Reply]], None],
    ) -> None:
        """Do a piece of work on a reply; if it fails, the caller hears an apology."""
        if thought.dropped:
            replies.pop(thought.slot, None)
            return
        try:
            work(thought, replies)
        except Exception as error:
            # Its text and its traceback may hold the user's words.
            log.error("the thinker from a folder: %s", type(error).__name__)
            reply = replies.pop(thought.slot, None)
            self._model.forget(thought.slot)
            self._desk.put(thought, apology(thought, "internal", reply is not None and reply.begun))

    def _open(self, thought: Thought, replies: dict[int, _Reply]) -> None:
        task, context = thought.task, self._model.context_tokens
        most_tokens = min(task.max_tokens, context // 2)
        prompt = self._model.prompt(task.dialogue, context - most_tokens, task.tools)
        unread = prompt[self._model.reuse(thought.slot, prompt) :]
        sampling = Sampling(task.temperature, task.seed)
        replies[thought.slot] = _Reply(thought, sampling, prompt, unread, most_tokens)

    def _advance(self, thought: Thought, replies: dict[int, _Reply]) -> None:
        """Read a piece of the prompt, or write a token."""
        reply = replies[thought.slot]
        piece, reply.unread = reply.unread[:PIECE_TOKENS], reply.unread[PIECE_TOKENS:]
        logits = self._model.read(thought.slot, piece)
        if reply.unread:
            return
        token = draw(logits, reply.sampling, len(reply.written), reply.written)
        ended = EndReason.COMPLETED if token in self._model.stops else None
        if ended is None:
            reply.written.append(token)
            reply.unread = [token]
            if len(reply.written) >= reply.most_tokens:
                ended = EndReason.MAX_TOKENS
        text = reply.splitter.push(self._new_text(reply, last=ended is not None))
        calls: tuple[ToolCall, ...] = ()
        if ended is not None:
            text += reply.splitter.rest()
            calls = reply.splitter.calls() if ended is EndReason.COMPLETED else ()
        if text or ended is not None:
            reply.begun = reply.begun or bool(text)
            counts = len(reply.prompt), len(reply.written)
            self._desk.put(thought, Thinking(thought.slot, text, ended, *counts, calls))
        if ended is not None:
            del replies[thought.slot]

    def _new_text(self, reply: _Reply, *, last: bool) -> str:
        """The text of the tokens not told yet, unless they end inside a character.

        Some tokenizers write a word's space only between words: decode with the word before.
        """
        start = max(0, reply.told - _UNDECODED_TOKENS)
        before = self._model.text(reply.written[start : reply.told])
        now = self._model.text(reply.written[start:])
        undecoded = len(reply.written) - reply.told
        if now.endswith(REPLACEMENT) and not last and undecoded < _UNDECODED_TOKENS:
            return ""
        reply.told = len(reply.written)
        return now[len(before) :].replace(REPLACEMENT, "")
