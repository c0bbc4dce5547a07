"""A chat-completions endpoint that writes by rule: so that a stock client's tool gets called.

It stands in for a language model that calls tools; speech, turns and voice are the server's own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Wire = dict[str, Any]
STORY = " ".join(["Once there was a dog who met a cat beside the sea, and they talked."] * 8)


def reply(body: Wire) -> list[Wire]:
    """The deltas of the reply to a request."""
    last = body["messages"][-1]
    text = _text(last["content"])
    functions = [tool["function"]["name"] for tool in body.get("tools") or []]
    if last["role"] == "tool" or "degrees" in text:
        return [{"content": f"The weather service says: {text}."}]
    if "weather" in text.lower() and functions and body.get("tool_choice") != "none":
        call = {"name": functions[0], "arguments": '{"city": "Rome"}'}
        tool_call = {"index": 0, "id": "call_weather", "type": "function", "function": call}
        return [{"content": "One moment."}, {"tool_calls": [tool_call]}]
    if "first thing" in text.lower():
        users = [m for m in body["messages"] if m["role"] == "user"]
        return [{"content": f"You said: {_text(users[0]['content'])}"}]
    if "story" in text.lower():
        return [{"content": word + " "} for word in STORY.split()]
    return [{"content": "Yes, I have heard you well."}]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return str(content)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        deltas = reply(body)
        calls = any("tool_calls" in delta for delta in deltas)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta in deltas:
            self._event(delta, None)
        self._event({}, "tool_calls" if calls else "stop")
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, delta: Wire, finish: str | None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def running_thinker() -> Iterator[str]:
    """Its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
