"""A thinker behind a chat endpoint. One thread talks to it, for all slots; the loop never waits.

An endpoint that fails costs no reply that is spoken: the caller hears an apology instead of the
rest of it, and the reply counts as completed. A written reply is read by programs; it ends failed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import aclosing

from voiceserver.config import ThinkerConfig
from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage, EndReason
from voiceserver.engine.thinking.chat_stream import ChatFailed, ChatStream
from voiceserver.engine.thinking.desk import Desk, Thought, apology
from voiceserver.engine.thinking.endpoint import ChatEndpoint
from voiceserver.engine.thinking.thinker import Thinking

log = logging.getLogger(__name__)

DIALOGUE_CHARS = 48_000  # about 12,000 tokens
PORTION_CHARS = 200  # of text at once: pronouncing it must not hold up those who speak


class RemoteThinker:
    """Replies of all slots, written by an endpoint."""

    calls_tools = True
    dialogue_chars = DIALOGUE_CHARS
    cold = reads_ahead = False

    def __init__(self, config: ThinkerConfig, wake: Callable[[], None]) -> None:
        self.reads_images = config.images
        self._desk = Desk(wake)
        self._writing: dict[Thought, asyncio.Task[None]] = {}  # touched by the thread only
        self._endpoint = ChatEndpoint(config)
        self._events = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="remote thinker", daemon=True)
        self._thread.start()

    # --- on the loop's thread ---------------------------------------------------------------------

    def warm(self) -> None:
        """There is nothing to warm."""

    def read_ahead(self, slot: int, dialogue: tuple[ChatMessage, ...]) -> None:
        """An endpoint is sent a dialogue once."""

    def begin(self, slot: int, task: Task) -> None:
        self._events.call_soon_threadsafe(self._start, self._desk.open(slot, task))

    def stop(self, slot: int) -> None:
        """Drop the reply and close its stream."""
        if (thought := self._desk.drop(slot)) is not None:
            self._events.call_soon_threadsafe(self._cancel, thought)

    def forget(self, slot: int) -> None:
        self.stop(slot)

    def has_more(self, slot: int) -> bool:
        return self._desk.has_more(slot)

    def step(self, slots: Sequence[int]) -> list[Thinking]:
        """The next piece of each slot's reply, where one has come."""
        return self._desk.take(slots)

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

    def _start(self, thought: Thought) -> None:
        writing = self._writing[thought] = self._events.create_task(self._write(thought))
        writing.add_done_callback(lambda _: self._writing.pop(thought, None))

    def _cancel(self, thought: Thought) -> None:
        if (writing := self._writing.get(thought)) is not None:
            writing.cancel()

    async def _write(self, thought: Thought) -> None:
        stream, begun = ChatStream(), False
        try:
            async with aclosing(self._endpoint.reply(thought.task, stream)) as texts:
                async for text in texts:
                    for begin in range(0, len(text), PORTION_CHARS):
                        begun = True
                        portion = text[begin : begin + PORTION_CHARS]
                        self._desk.put(thought, Thinking(thought.slot, portion))
            last = _ended(thought.slot, stream)
        except ChatFailed as failure:
            log.warning("the thinker at %s: %s", self._endpoint.where, failure)
            last = apology(thought, failure.reason, begun)
        except Exception as error:
            # Its text and its traceback may hold the user's words.
            log.error("the thinker at %s: %s", self._endpoint.where, type(error).__name__)
            last = apology(thought, "internal", begun)
        self._desk.put(thought, last)


def _ended(slot: int, stream: ChatStream) -> Thinking:
    assert stream.end is not None, "a stream that ends too early fails"
    calls = stream.calls() if stream.end is EndReason.COMPLETED else ()
    return Thinking(slot, "", stream.end, stream.prompt_tokens, stream.text_tokens, calls)
