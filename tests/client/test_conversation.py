"""The Python client against a real socket whose other end plays a scripted server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from voiceserver_client import (
    CallEnded,
    CannotConnect,
    Event,
    ServerRefused,
    SessionOptions,
    connect,
)
from voiceserver_client.audio import silence
from voiceserver_client.connection import socket_url

Script = Callable[["Line"], Awaitable[None]]


class Line:
    """The server's end of one call, and all that the client sent on it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.received: list[dict[str, Any]] = []

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, "event_id": "e", **fields}))

    async def wait_for(self, type: str) -> dict[str, Any]:
        async for message in self.socket:
            event: dict[str, Any] = json.loads(message)
            self.received.append(event)
            if event["type"] == type:
                return event
        raise AssertionError(f"the client never sent {type}")

    async def answer(self, response_id: str, words: list[str], done: dict[str, Any]) -> None:
        """A reply of one audio packet a word."""
        ids = {"response_id": response_id, "item_id": f"item_{response_id}"}
        await self.send("response.created", response={"id": response_id})
        for word in words:
            audio = base64.b64encode(silence(0.1)).decode()
            await self.send("response.output_audio.delta", delta=audio, **ids)
            await self.send("response.output_audio_transcript.delta", delta=word, **ids)
        await self.send("response.done", response={"id": response_id, **done})


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[str]:
    """A server that opens each call as it should and then follows the script."""
    failures: list[BaseException] = []

    async def call(socket: ServerConnection) -> None:
        line = Line(socket)
        try:
            await line.send("session.created", session={"id": "s"})
            await line.wait_for("session.update")
            await line.send("session.updated", session={"id": "s"})
            await script(line)
        except AssertionError as error:
            failures.append(error)
            await socket.close(1011, str(error))

    async with serve(call, "127.0.0.1", 0) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"
    assert not failures, failures


async def test_ask_with_audio_gives_the_whole_turn_and_keeps_the_microphone_open() -> None:
    heard: list[dict[str, Any]] = []

    async def script(line: Line) -> None:
        for _ in range(15):  # ten packets of question, then silence goes on
            heard.append(await line.wait_for("input_audio_buffer.append"))
        await line.send("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
        name = "conversation.item.input_audio_transcription.completed"
        await line.send(name, item_id="u", transcript="how are you")
        await line.answer("r", ["fine ", "thanks"], {"status": "completed"})

    async with server(script) as url, connect(url) as call:
        reply = await call.ask(b"\x01\x00" * 4800)
    assert (reply.transcript, reply.text, reply.status) == (
        "how are you",
        "fine thanks",
        "completed",
    )
    assert reply.seconds == pytest.approx(0.2)
    assert reply.first_audio_ms is not None
    sent = b"".join(base64.b64decode(event["audio"]) for event in heard)
    assert sent[:9600] == b"\x01\x00" * 4800
    assert set(sent[9600:]) == {0}


async def test_a_reply_given_up_because_the_user_went_on_is_forgotten() -> None:
    async def script(line: Line) -> None:
        await line.wait_for("input_audio_buffer.append")
        cut = {"status": "cancelled", "status_details": {"reason": "turn_detected"}}
        await line.answer("first", ["wrong "], cut)
        await line.answer("second", ["right"], {"status": "completed"})

    async with server(script) as url, connect(url) as call:
        reply = await call.ask(silence(0.1))
    assert reply.text == "right"
    assert reply.seconds == pytest.approx(0.1)


async def test_ask_with_text_creates_an_item_and_a_response() -> None:
    async def script(line: Line) -> None:
        await line.wait_for("response.create")
        item = line.received[-2]["item"]
        assert item["content"] == [{"type": "input_text", "text": "hello"}]
        await line.answer("r", ["hi"], {"status": "completed"})

    async with server(script) as url, connect(url) as call:
        assert (await call.ask("hello")).text == "hi"


async def test_an_error_event_is_raised_with_its_code() -> None:
    async def script(line: Line) -> None:
        await line.wait_for("response.create")
        await line.send("error", error={"message": "no", "code": "bad_thing", "param": "x"})
        await line.wait_for("never")

    with pytest.raises(ServerRefused, match="no") as caught:
        async with server(_tolerant(script)) as url, connect(url) as call:
            await call.ask("hello")
    assert (caught.value.code, caught.value.param) == ("bad_thing", "x")


async def test_a_closed_call_says_why() -> None:
    async def script(line: Line) -> None:
        await line.wait_for("response.create")
        await line.socket.close(1013, "the server is draining")

    with pytest.raises(CallEnded, match="draining"):
        async with server(script) as url, connect(url) as call:
            await call.ask("hello")


async def test_silence_is_reported_as_such() -> None:
    async def script(line: Line) -> None:
        await line.wait_for("never")

    with pytest.raises(CallEnded, match="no speech"):
        async with server(_tolerant(script)) as url, connect(url) as call:
            await call.ask(silence(0.05), timeout_s=0.2)


async def test_unknown_events_come_through_and_iteration_ends_with_the_call() -> None:
    async def script(line: Line) -> None:
        await line.send("something.new", value=1)

    async with server(script) as url, connect(url, options=SessionOptions(turns="manual")) as call:
        seen = [event async for event in call]
    assert [type(event) for event in seen] == [Event]
    assert seen[0].data["value"] == 1


async def test_a_refusal_shows_the_servers_words() -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        body = json.dumps({"error": {"message": "all 4 sessions are in use"}})
        return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, body)

    async def nothing(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(nothing, "127.0.0.1", 0, process_request=refuse) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        with pytest.raises(CannotConnect, match=r"all 4 sessions are in use \(HTTP 503\)"):
            async with connect(f"127.0.0.1:{port}"):
                pass


@pytest.mark.parametrize("url", ["", "ftp://host", "ws://", "ws://host:notaport", "http://:80"])
async def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(CannotConnect, match="is not an address"):
        async with connect(url):
            pass


async def test_nobody_listening_is_said_plainly() -> None:
    async with serve(lambda socket: asyncio.sleep(0), "127.0.0.1", 0) as running:
        port = next(iter(running.sockets)).getsockname()[1]
    with pytest.raises(CannotConnect, match="nobody listens there"):
        async with connect(f"ws://127.0.0.1:{port}"):
            pass


def test_addresses_may_be_short() -> None:
    assert socket_url("host:1", {}) == "ws://host:1/v1/realtime"
    assert socket_url("https://host/", {"a": "b"}) == "wss://host/v1/realtime?a=b"
    assert socket_url("ws://h/v1/realtime?model=m", {"timing": "1"}) == (
        "ws://h/v1/realtime?model=m&timing=1"
    )


def _tolerant(script: Script) -> Script:
    """The client may hang up while the script still waits."""

    async def run(line: Line) -> None:
        try:
            await script(line)
        except AssertionError as error:
            if "never sent never" not in str(error):
                raise

    return run
