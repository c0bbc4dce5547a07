"""One call: send audio, text and wishes; receive typed events; or ask and get the whole reply."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from voiceserver_client import events
from voiceserver_client.audio import RATE_HZ, SAMPLE_BYTES, duration_s, silence
from voiceserver_client.connection import open_connection, socket_url
from voiceserver_client.errors import CallEnded, ServerRefused
from voiceserver_client.events import Event
from voiceserver_client.link import Link, Reconnect
from voiceserver_client.options import SessionOptions
from voiceserver_client.reply import Reply, Turn

PACKET_S = 0.02  # as phones and browsers send
_BYTES_PER_S = RATE_HZ * SAMPLE_BYTES
_PACKET_BYTES = round(PACKET_S * RATE_HZ) * SAMPLE_BYTES
ANSWER_TIMEOUT_S = 10.0  # for an event that answers one of ours
REPLY_TIMEOUT_S = 20.0  # without any event while a reply is awaited


Kind = TypeVar("Kind", bound=Event)


@asynccontextmanager
async def connect(
    url: str,
    api_key: str | None = None,
    options: SessionOptions | None = None,
    model: str | None = None,
    reconnect: Reconnect | None = None,
) -> AsyncIterator[Conversation]:
    """Call a server: `async with connect("ws://127.0.0.1:8000") as call:`.

    With `reconnect=Reconnect()` a lost connection is made again, and the new one is told the
    conversation, the words under way and the answer that was due; a `Reconnected` event says so.
    """
    query = {"timing": "1"} | ({"model": model} if model else {})
    address = socket_url(url, query)
    socket = await open_connection(address, api_key)
    link = Link(socket, lambda: open_connection(address, api_key), reconnect)
    try:
        call = Conversation(link)
        await call.expect(events.SessionCreated)
        await call.configure(options or SessionOptions())
        yield call
    finally:
        await link.close()


class Conversation:
    """An open call. Events are read by one task at a time: by `async for`, `expect` or `ask`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    # --- sending --------------------------------------------------------------------------------

    async def send(self, type: str, **fields: Any) -> None:
        """Any client event, by its wire name."""
        await self._link.send({"type": type, **fields})

    async def configure(self, options: SessionOptions) -> events.SessionUpdated:
        """Change the session, and wait until the server has."""
        self._link.session = options.as_session()
        self._link.memory.answers_by_itself = options.turns != "manual"
        await self.send("session.update", session=self._link.session)
        return await self.expect(events.SessionUpdated)

    async def send_audio(self, pcm16: bytes) -> None:
        """A piece of microphone audio, as it comes."""
        audio = base64.b64encode(pcm16).decode("ascii")
        await self.send("input_audio_buffer.append", audio=audio)

    async def speak(self, pcm16: bytes) -> float:
        """Send audio as a microphone would, in real time; returns when its last sample was sent.

        A packet leaves when the microphone would have filled it, so the returned moment (monotonic
        clock, seconds) is the one at which a speaker would have finished.
        """
        start_s = time.monotonic()
        for start in range(0, len(pcm16), _PACKET_BYTES):
            packet = pcm16[start : start + _PACKET_BYTES]
            filled_s = start_s + (start + len(packet)) / _BYTES_PER_S
            await asyncio.sleep(max(0.0, filled_s - time.monotonic()))
            await self.send_audio(packet)
        return start_s + duration_s(pcm16)

    async def send_text(self, text: str, respond: bool = True) -> None:
        """A typed message of the user's, answered unless `respond` is False."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send("conversation.item.create", item=item)
        if respond:
            await self.respond()

    async def commit(self) -> None:
        """The user's turn is over (for `turns="manual"`)."""
        await self.send("input_audio_buffer.commit")

    async def respond(self, **response: Any) -> None:
        """Ask for a reply now; keywords go into the `response` object."""
        await self.send("response.create", **({"response": response} if response else {}))

    async def cancel(self) -> None:
        """End the reply under way."""
        await self.send("response.cancel")

    async def truncate(self, item_id: str, played_ms: int) -> None:
        """Tell how much of a reply was played, so that the server remembers no more than that."""
        await self.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=played_ms
        )

    # --- receiving ------------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events until the call ends."""
        while True:
            try:
                yield await self._link.next()
            except CallEnded:
                return

    async def expect(self, kind: type[Kind], timeout_s: float = ANSWER_TIMEOUT_S) -> Kind:
        """The next event of this kind; an error event before it is a ServerRefused."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    event = await self._link.next()
                    if isinstance(event, kind):
                        return event
                    if isinstance(event, events.Failure):
                        raise ServerRefused(event.message, event.code, event.param)
        except TimeoutError as error:
            raise CallEnded(f"the server sent no {kind.__name__} in {timeout_s:.0f} s") from error

    async def ask(self, question: bytes | str, timeout_s: float = REPLY_TIMEOUT_S) -> Reply:
        """One turn: speak the audio in real time (or send the text), and collect the whole reply.

        After the question the microphone stays open: silence follows until the reply is complete.
        """
        turn = Turn()
        question_s = 0.0 if isinstance(question, str) else duration_s(question)
        asking = asyncio.create_task(self._pose(question, turn))
        try:
            async with asyncio.timeout(question_s + timeout_s) as limit:
                while not turn.finished:
                    turn.take(await self._link.next())
                    later = asyncio.get_running_loop().time() + timeout_s
                    limit.reschedule(max(limit.when() or 0.0, later))
        except TimeoutError as error:
            lack = "answer" if turn.speech_heard else "speech to answer in the audio"
            raise CallEnded(f"no {lack} within {timeout_s:.0f} s") from error
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        return turn.reply()

    async def _pose(self, question: bytes | str, turn: Turn) -> None:
        if isinstance(question, str):
            turn.asked_s = time.monotonic()
            await self.send_text(question)
            return
        turn.asked_s = time.monotonic() + duration_s(question)
        await self.speak(question)
        while True:
            await self.speak(silence(1.0))
