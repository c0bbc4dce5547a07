"""A lost connection is made again, and the new one is told what must be known."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from voiceserver_client import (
    CallEnded,
    CannotConnect,
    Reconnect,
    Reconnected,
    SessionOptions,
    connect,
)
from voiceserver_client.audio import silence
from voiceserver_client.memory import Memory

AT_ONCE = Reconnect(tries=3, first_pause_s=0.01)
SPEECH = bytes(range(1, 241)) * 10
Sent = dict[str, Any]


class Line:
    """The server's end of one connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, "event_id": "e", **fields}))

    async def next(self) -> Sent:
        event: Sent = json.loads(await self.socket.recv())
        return event

    def break_off(self) -> None:
        """As a network does that fails: without a goodbye."""
        self.socket.transport.abort()

    async def begin_answer(self, name: str, words: str) -> None:
        ids = {"response_id": f"resp_{name}", "item_id": f"item_{name}"}
        item = {"id": f"item_{name}", "type": "message", "role": "assistant", "content": []}
        await self.send("response.created", response={"id": f"resp_{name}"})
        await self.send("conversation.item.added", item={**item, "status": "in_progress"})
        await self.send("response.output_audio_transcript.delta", delta=words, **ids)
        audio = base64.b64encode(silence(0.1)).decode()
        await self.send("response.output_audio.delta", delta=audio, **ids)

    async def end_answer(self, name: str) -> None:
        output = [{"id": f"item_{name}", "type": "message", "role": "assistant"}]
        response = {"id": f"resp_{name}", "status": "completed", "output": output}
        await self.send("response.done", response=response)


Script = Callable[[Line], Awaitable[None]]


@asynccontextmanager
async def server(*scripts: Script) -> AsyncIterator[tuple[str, list[Sent]]]:
    """A server whose n-th connection follows the n-th script; and the sessions it was asked for."""
    waiting = list(scripts)
    sessions: list[Sent] = []
    failures: list[BaseException] = []

    async def call(socket: ServerConnection) -> None:
        line = Line(socket)
        await line.send("session.created", session={"id": "s"})
        sessions.append((await line.next())["session"])
        await line.send("session.updated", session={"id": "s"})
        try:
            await waiting.pop(0)(line)
        except (AssertionError, KeyError) as error:
            failures.append(error)
            await socket.close(1000, "the test has failed")

    async with serve(call, "127.0.0.1", 0) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}", sessions
    assert not failures, failures
    assert not waiting, "not all connections were made"


async def take_question(line: Line) -> str:
    created = await line.next()
    assert created["type"] == "conversation.item.create"
    await line.send("conversation.item.added", item=created["item"])
    assert (await line.next())["type"] == "response.create"
    return str(created["item"]["content"][0]["text"])


async def test_an_answer_cut_off_by_the_network_is_made_anew() -> None:
    async def first(line: Line) -> None:
        assert await take_question(line) == "one?"
        await line.begin_answer("a", "First.")
        await line.end_answer("a")
        assert await take_question(line) == "two?"
        await line.begin_answer("b", "Secon")
        line.break_off()

    async def second(line: Line) -> None:
        told = [await line.next() for _ in range(4)]
        texts = [event["item"]["content"][0]["text"] for event in told[:3]]
        assert texts == ["one?", "First.", "two?"]  # and nothing of the answer half made
        assert [event["item"]["role"] for event in told[:3]] == ["user", "assistant", "user"]
        assert told[1]["item"]["id"] == "item_a"
        assert told[3] == {"type": "response.create"}
        await line.begin_answer("c", "Second.")
        await line.end_answer("c")
        await line.socket.wait_closed()

    async with server(first, second) as (url, sessions):
        options = SessionOptions(instructions="Be brief.", turns="server_vad")
        async with connect(url, options=options, reconnect=AT_ONCE) as call:
            assert (await call.ask("one?")).text == "First."
            assert (await call.ask("two?")).text == "Second."
        assert sessions == [options.as_session()] * 2


async def test_words_under_way_are_said_again() -> None:
    heard: list[bytes] = []

    async def first(line: Line) -> None:
        while sum(map(len, heard)) < len(SPEECH):
            heard.append(base64.b64decode((await line.next())["audio"]))
        await line.send("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
        await line.next()  # more of it: the client has been told
        line.break_off()

    async def second(line: Line) -> None:
        again = b""
        while len(again) < len(SPEECH):
            again += base64.b64decode((await line.next())["audio"])
        assert again.startswith(SPEECH)
        await line.socket.close(1000, "enough")

    async with server(first, second) as (url, _), connect(url, reconnect=AT_ONCE) as call:
        await call.send_audio(SPEECH)
        kinds = []
        async for event in call:
            kinds.append(type(event).__name__)
            if kinds[-1] == "SpeechStarted":
                await call.send_audio(b"\x01\x00" * 10)
        assert kinds == ["SpeechStarted", "Reconnected"]


async def test_it_says_when_it_gives_up() -> None:
    tried: list[int] = []

    async def leave(line: Line) -> None:
        line.break_off()

    async def nobody() -> Any:
        tried.append(1)
        raise CannotConnect("nobody listens there")

    async with server(leave) as (url, _), connect(url, reconnect=AT_ONCE) as call:
        call._link._dial = nobody
        with pytest.raises(CallEnded, match="did not come back: nobody"):
            await call.expect(Reconnected)
    assert len(tried) == AT_ONCE.tries


async def test_who_is_sent_away_stays_away() -> None:
    async def dismiss(line: Line) -> None:
        await line.socket.close(1000, "goodbye")

    async with server(dismiss) as (url, _), connect(url, reconnect=AT_ONCE) as call:
        with pytest.raises(CallEnded, match="goodbye"):
            await call.expect(Reconnected)


def test_only_what_was_heard_is_told_again() -> None:
    memory = Memory()
    item = {"id": "a", "type": "message", "role": "assistant", "status": "in_progress"}
    memory.received({"type": "conversation.item.added", "item": item})
    for word in ("one ", "two ", "three"):
        ids = {"item_id": "a", "response_id": "r"}
        delta = base64.b64encode(silence(0.5)).decode()
        transcript = "response.output_audio_transcript.delta"
        memory.received({"type": transcript, "delta": word, **ids})
        memory.received({"type": "response.output_audio.delta", "delta": delta, **ids})
    response = {"id": "r", "output": [{"id": "a"}]}
    memory.received({"type": "response.done", "response": response})
    truncated = {"type": "conversation.item.truncated", "item_id": "a", "audio_end_ms": 700}
    memory.received(truncated)
    called = {"id": "f", "type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}
    memory.received({"type": "conversation.item.done", "item": called})
    memory.received({"type": "conversation.item.deleted", "item_id": "none"})
    told = list(memory.replay())
    assert [event["item"]["id"] for event in told] == ["a", "f"]
    assert told[0]["item"]["content"] == [{"type": "output_text", "text": "one two"}]
    assert told[1]["item"] == called
