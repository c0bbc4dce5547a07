"""A peer for the page: serves clients/web and speaks the Realtime protocol by script.

It answers what every server answers (session, item acknowledgements) and otherwise does what a test
tells it to, so that the page meets each order of events on purpose. It recognises, thinks and
speaks nothing: the words and the sound of a turn come from the test.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import numpy as np
import uvicorn
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.config import web_folder

Event = dict[str, Any]

CHUNK_SAMPLES = WIRE_RATE_HZ * 80 // 1000
RUN_AHEAD_S = 0.4  # how far ahead of real time a reply is sent
PATIENCE_S = 8.0
INSTRUCTIONS = "You are a helpful voice assistant."


class ScriptedServer:
    """Runs in a thread of its own; every method may be called from the test's thread."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.models_status = 200
        self.health: Event = {}
        self.refuse = False
        self.received: list[Event] = []
        self.connections = 0
        self._news = threading.Condition()
        self._socket: WebSocket | None = None
        self._cancelled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        app = Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/health", self._health),
                WebSocketRoute("/v1/realtime", self._talk),
                Mount("/", StaticFiles(directory=web_folder(), html=True)),
            ]
        )
        config = uvicorn.Config(
            app, port=self.port, log_level="warning", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.until(lambda: self._server is not None and self._server.started, "it listens")

    def stop(self) -> None:
        """Go away, as a server that is restarted does: sockets close with code 1012."""
        assert self._server
        assert self._thread
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the scripted server does not stop"

    def _run(self) -> None:
        assert self._server
        asyncio.run(self._server.serve())

    # --- what a test does -------------------------------------------------------------------------

    def send(self, event: Event) -> None:
        self._do(self._need_socket().send_json(event))

    def drop(self) -> None:
        """Close the page's socket without a word."""
        self._do(self._need_socket().close(1011))

    def of_type(self, kind: str) -> list[Event]:
        return [event for event in list(self.received) if event["type"] == kind]

    def wait_for(self, kind: str, count: int = 1) -> Event:
        """The count-th event of this type that the page sent."""
        self.until(lambda: len(self.of_type(kind)) >= count, f"the page sends {kind}")
        return self.of_type(kind)[count - 1]

    def wait_for_audio(self, seconds: float) -> None:
        self.until(lambda: len(self.heard()) >= seconds * WIRE_RATE_HZ, f"{seconds} s of audio")

    def heard(self) -> NDArray[np.int16]:
        """All the audio the page has sent: [S] at the wire's rate."""
        appends = self.of_type("input_audio_buffer.append")
        pcm = b"".join(base64.b64decode(event["audio"]) for event in appends)
        return np.frombuffer(pcm, np.int16)

    def until(self, happened: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        with self._news:
            while not happened():
                left_s = deadline_s - time.monotonic()
                assert left_s > 0, f"waited in vain until {what}"
                self._news.wait(min(left_s, 0.05))

    def speech_started(self, item_id: str) -> None:
        self.send(
            {"type": "input_audio_buffer.speech_started", "item_id": item_id, "audio_start_ms": 0}
        )

    def understood(self, item_id: str, text: str) -> None:
        """The user's turn is over and reads so."""
        head = "conversation.item.input_audio_transcription"
        part = {"item_id": item_id, "content_index": 0}
        first, rest = text.split(" ", 1)
        self.send(
            {"type": "input_audio_buffer.speech_stopped", "item_id": item_id, "audio_end_ms": 0}
        )
        self.send({"type": "input_audio_buffer.committed", "item_id": item_id})
        self.send({"type": f"{head}.delta", "delta": first, **part})
        self.send({"type": f"{head}.delta", "delta": " " + rest, **part})
        self.send({"type": f"{head}.completed", "transcript": text, **part})

    def reply(self, name: str, text: str, speech: NDArray[np.float32]) -> Future[str]:
        """Speak a reply in real time with a little run-ahead; its words come with their sound.

        Answers with the reply's status once it has ended.
        """
        self._cancelled = False
        return asyncio.run_coroutine_threadsafe(self._speak(name, text, speech), self._need_loop())

    def reply_in_text(self, name: str, text: str) -> None:
        self._do(self._write(name, text))

    def timing(self, name: str, **figures: float | None) -> None:
        ids = {"response_id": f"resp_{name}", "item_id": "item_that_was_answered"}
        self.send({"type": "voiceserver.turn.timing", "event_id": "event_t", **ids, **figures})

    def cancel(self) -> None:
        """End the reply under way, as a server does that hears the user speak."""
        self._cancelled = True

    # --- the protocol -----------------------------------------------------------------------------

    def _need_loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop, "no page is connected"
        return self._loop

    def _need_socket(self) -> WebSocket:
        assert self._socket, "no page is connected"
        return self._socket

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._need_loop()).result(PATIENCE_S)

    async def _models(self, _request: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [{"id": "nano"}]}, self.models_status)

    async def _health(self, _request: Request) -> JSONResponse:
        return JSONResponse(self.health, 200 if self.health["status"] == "ok" else 503)

    async def _talk(self, ws: WebSocket) -> None:
        if self.refuse:
            await ws.close()
            return
        await ws.accept(subprotocol="realtime")
        self._loop = asyncio.get_running_loop()
        self._socket = ws
        self.connections += 1
        await ws.send_json(
            {"type": "session.created", "session": {"id": "sess", "instructions": INSTRUCTIONS}}
        )
        try:
            while True:
                await self._take(ws, json.loads(await ws.receive_text()))
        except (WebSocketDisconnect, RuntimeError):
            self._cancelled = True  # the page went away, or the test closed the socket

    async def _take(self, ws: WebSocket, event: Event) -> None:
        with self._news:
            self.received.append(event)
            self._news.notify_all()
        if event["type"] == "session.update":
            await ws.send_json({"type": "session.updated", "session": event["session"]})
        elif event["type"] == "conversation.item.create":
            await ws.send_json({"type": "conversation.item.added", "item": event["item"]})
        elif event["type"] == "conversation.item.delete":
            await ws.send_json({"type": "conversation.item.deleted", "item_id": event["item_id"]})
        elif event["type"] == "response.cancel":
            self._cancelled = True

    async def _speak(self, name: str, text: str, speech: NDArray[np.float32]) -> str:
        head = await self._begin(name)
        chunks = [speech[i : i + CHUNK_SAMPLES] for i in range(0, len(speech), CHUNK_SAMPLES)]
        words = [word + " " for word in text.split()]
        said = 0
        began_s = time.monotonic()
        for number, chunk in enumerate(chunks):
            due_s = began_s + number * 0.08 - RUN_AHEAD_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if self._cancelled:
                break
            upto = round(len(words) * (number + 1) / len(chunks))
            for word in words[said:upto]:
                await self._emit("response.output_audio_transcript.delta", head, delta=word)
            said = upto
            pcm = (chunk * 32767).astype("<i2").tobytes()
            await self._emit(
                "response.output_audio.delta", head, delta=base64.b64encode(pcm).decode()
            )
        await self._emit("response.output_audio.done", head)
        return await self._end(name, "cancelled" if self._cancelled else "completed")

    async def _write(self, name: str, text: str) -> None:
        head = await self._begin(name)
        for word in text.split():
            await self._emit("response.output_text.delta", head, delta=word + " ")
        await self._end(name, "completed")

    async def _begin(self, name: str) -> Event:
        response = {"id": f"resp_{name}", "status": "in_progress", "output": []}
        item = {"id": f"item_{name}", "type": "message", "role": "assistant", "content": []}
        head = {"response_id": f"resp_{name}", "item_id": f"item_{name}"}
        await self._emit("response.created", {}, response=response)
        await self._emit("response.output_item.added", head, item=item)
        return head

    async def _end(self, name: str, status: str) -> str:
        output = [{"id": f"item_{name}", "type": "message", "role": "assistant"}]
        response = {"id": f"resp_{name}", "status": status, "output": output}
        await self._emit("response.done", {}, response=response)
        return status

    async def _emit(self, kind: str, head: Event, **fields: Any) -> None:
        await self._need_socket().send_json({"type": kind, **head, **fields})
