"""A chat endpoint on a real socket that does as the last user message says, good or bad."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

Wire = dict[str, Any]
DONE = "data: [DONE]\n\n"


def event(delta: Wire, finish: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice], **more}, ensure_ascii=False)}\n\n"


def words(text: str) -> list[str]:
    first, *others = text.split(" ")
    return [event({"content": w}) for w in (first, *(f" {o}" for o in others))]


def call(index: int, call_id: str, name: str, *arguments: str) -> list[str]:
    """A tool call, its arguments in pieces."""
    opening = {"index": index, "id": call_id, "function": {"name": name, "arguments": ""}}
    pieces = [{"index": index, "function": {"arguments": a}} for a in arguments]
    return [event({"tool_calls": [piece]}) for piece in (opening, *pieces)]


USAGE = 'data: {"choices": [], "usage": {"prompt_tokens": 31, "completion_tokens": 7}}\n\n'
BROKEN_OFF = "broken off"  # in a script: the connection is cut here
STALL = "stall"  # nothing more comes until the client goes

SCRIPTS: dict[str, list[str]] = {
    "hello": [": a comment\n\n", *words("Hello there."), event({}, "stop"), USAGE, DONE],
    "image alone": [*words("How nice."), event({}, "stop"), DONE],
    "separators": [*words("one\u2028two"), event({}, "stop"), DONE],
    "one piece": [event({"content": "word " * 200}), event({}, "stop"), DONE],
    "no done": [*words("Fine."), event({}, "stop")],
    "length": [*words("It goes on and"), event({}, "length"), DONE],
    "nothing": [STALL],
    "stall": [*words("I think that"), STALL],
    "break": [*words("I think that"), BROKEN_OFF],
    "end early": words("I think that"),
    "garbage": ["data: {not json\n\n", DONE],
    "odd shape": ['data: {"choices": [7]}\n\n', DONE],
    "error event": ['data: {"error": {"message": "your secret words"}}\n\n'],
    "no stream": ["<html>It works!</html>\n"],
    "weather": [
        *words("One moment."),
        *call(0, "call_a", "weather", '{"city": ', '"Rome"}'),
        *call(1, "call_b", "weather", '{"city": "Oslo"}'),
        event({}, "tool_calls"),
        USAGE,
        DONE,
    ],
    "whole calls": [  # as some endpoints send them: each at index 0, without arguments or an id
        event({"tool_calls": [{"id": "one", "function": {"name": "time", "arguments": None}}]}),
        event({"tool_calls": [{"id": "two", "function": {"name": "date", "arguments": "{}"}}]}),
        event({}, "tool_calls"),
        DONE,
    ],
    "bad call": [*call(0, "call_a", "weather", '{"city": '), event({}, "tool_calls"), DONE],
}


@dataclass
class FakeEndpoint:
    """A running endpoint, and what it was asked."""

    url: str = ""
    bodies: list[Wire] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)  # a client went midway
    strict: bool = False  # refuses fields that newer models refuse

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        self.keys.append(request.headers.get("authorization"))
        last = body["messages"][-1]
        content = last["content"]
        parts = content if isinstance(content, list) else [{"text": str(content)}]
        asked = next((part["text"] for part in parts if "text" in part), "image alone")
        if last["role"] == "tool":
            script = [*words(f"The answer is {asked}."), event({}, "stop"), DONE]
        elif self.strict and "max_tokens" in body:
            return JSONResponse({"error": {"message": "unknown: max_tokens"}}, 400)
        elif asked.startswith("answer "):
            return JSONResponse({"error": {"message": asked}}, int(asked.split()[1]))
        else:
            script = SCRIPTS[asked]
        return StreamingResponse(self._play(script), media_type="text/event-stream")

    async def _play(self, script: list[str]) -> AsyncIterator[str]:
        for piece in script:
            if piece == BROKEN_OFF:
                raise ConnectionAbortedError("as the script says")
            if piece == STALL:
                try:
                    await asyncio.sleep(3600)
                finally:
                    self.left.set()
            yield piece


@contextmanager
def running_endpoint() -> Iterator[FakeEndpoint]:
    """The endpoint under uvicorn, in a thread of its own."""
    endpoint = FakeEndpoint()
    app = FastAPI()
    app.add_api_route("/v1/chat/completions", endpoint.answer, methods=["POST"])
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    endpoint.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, lifespan="off")
    )
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the endpoint did not start"
        time.sleep(0.01)
    try:
        yield endpoint
    finally:
        server.should_exit = True
        thread.join(10)
