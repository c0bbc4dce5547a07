"""A thinker behind a chat endpoint. One thread talks to it, for all slots; the loop never waits.

An endpoint that fails costs no reply that is spoken: the caller hears an apology instead of the
rest of it, and the reply counts as completed. A written reply is read by programs; it ends failed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from voiceserver.config import ThinkerConfig
from voiceserver.engine.family import Task
from voiceserver.engine.messages import EndReason
from voiceserver.engine.thinking.chat_stream import ChatFailed, ChatStream
from voiceserver.engine.thinking.endpoint import ChatEndpoint
from voiceserver.engine.thinking.thinker import Thinking

log = logging.getLogger(__name__)

APOLOGY = "Sorry, I cannot think of an answer right now. Please try again in a moment."
APOLOGY_MIDWAY = "... Sorry, I have lost the thread. Please ask me again."
DIALOGUE_CHARS = 48_000  # about 12,000 tokens
PORTION_CHARS = 200  # of text at once: pronouncing it must not hold up those who speak


@dataclass(eq=False)
class _Thought:
    """One reply on its way; the thread appends, the loop takes."""

    slot: int
    task: Task
    written: deque[Thinking] = field(default_factory=deque)
    writing: asyncio.Task[None] | None = None  # touched by the thread only


class RemoteThinker:
    """Replies of all slots, written by an endpoint."""

    calls_tools = True
    dialogue_chars = DIALOGUE_CHARS
    cold = False

    def __init__(self, config: ThinkerConfig, wake: Callable[[], None]) -> None:
        self.reads_images = config.images
        self._wake = wake
        self._thoughts: dict[int, _Thought] = {}
        self._endpoint = ChatEndpoint(config)
        self._events = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="remote thinker", daemon=True)
        self._thread.start()

    # --- on the loop's thread ---------------------------------------------------------------------

    def warm(self) -> None:
        """There is nothing to warm."""

    def begin(self, slot: int, task: Task) -> None:
        thought = self._thoughts[slot] = _Thought(slot, task)
        self._events.call_soon_threadsafe(self._start, thought)

    def stop(self, slot: int) -> None:
        """Drop the reply and close its stream."""
        if (thought := self._thoughts.pop(slot, None)) is not None:
            self._events.call_soon_threadsafe(self._cancel, thought)

    def forget(self, slot: int) -> None:
        self.stop(slot)

    def has_more(self, slot: int) -> bool:
        thought = self._thoughts.get(slot)
        return thought is not None and bool(thought.written)

    def step(self, slots: Sequence[int]) -> list[Thinking]:
        """The next piece of each slot's reply, where one has come."""
        thinking = [self._thoughts[s].written.popleft() for s in slots if self.has_more(s)]
        for piece in thinking:
            if piece.ended is not None:
                del self._thoughts[piece.slot]
        return thinking

    def shut_down(self) -> None:
        self._events.call_soon_threadsafe(self._events.stop)
        self._thread.join()

    # --- on the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._events)
        self._events.run_forever()
        self._events.run_until_complete(self._end_all())
        self._events.close()

    async def _end_all(self) -> None:
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._endpoint.close()

    def _start(self, thought: _Thought) -> None:
        thought.writing = self._events.create_task(self._write(thought))

    def _cancel(self, thought: _Thought) -> None:
        if thought.writing is not None:
            thought.writing.cancel()

    async def _write(self, thought: _Thought) -> None:
        stream, begun = ChatStream(), False
        try:
            async with aclosing(self._endpoint.reply(thought.task, stream)) as texts:
                async for text in texts:
                    for begin in range(0, len(text), PORTION_CHARS):
                        begun = True
                        portion = text[begin : begin + PORTION_CHARS]
                        self._put(thought, Thinking(thought.slot, portion))
            last = _ended(thought.slot, stream)
        except ChatFailed as failure:
            log.warning("the thinker at %s: %s", self._endpoint.where, failure)
            last = _failed(thought, failure.reason, begun)
        except Exception as error:
            # Its text and its traceback may hold the user's words.
            log.error("the thinker at %s: %s", self._endpoint.where, type(error).__name__)
            last = _failed(thought, "internal", begun)
        self._put(thought, last)

    def _put(self, thought: _Thought, thinking: Thinking) -> None:
        thought.written.append(thinking)
        self._wake()


def _ended(slot: int, stream: ChatStream) -> Thinking:
    assert stream.end is not None, "a stream that ends too early fails"
    calls = stream.calls() if stream.end is EndReason.COMPLETED else ()
    return Thinking(slot, "", stream.end, stream.prompt_tokens, stream.text_tokens, calls)


def _failed(thought: _Thought, reason: str, begun: bool) -> Thinking:
    """The end of a reply that the endpoint did not finish."""
    if not thought.task.speak:
        message = f"The thinker failed: {reason}."
        return Thinking(thought.slot, "", EndReason.FAILED, failure=reason, message=message)
    apology = APOLOGY_MIDWAY if begun else APOLOGY
    return Thinking(thought.slot, apology, EndReason.COMPLETED, failure=reason)
