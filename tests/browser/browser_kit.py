"""What the browser tests say, and how they watch a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from playwright.sync_api import Page

QUESTION = "What is the capital of France?"
ANSWER = (
    "The capital of France is Paris. It stands on the river Seine, "
    "and it is known for its museums and its bread."
)
PLAIN_HOST = "voice.test"  # to the browser another machine, reached over plain http
PATIENCE_MS = 10_000


@dataclass
class Watch:
    """What the page's browser complained about, and where the page turned to."""

    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    expected: list[str] = field(default_factory=list)  # patterns of errors that belong to the test

    def follow(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("request", lambda request: self.hosts.add(_origin(request.url)))
        page.on("websocket", lambda socket: self.hosts.add(_origin(socket.url)))

    def unexpected(self) -> list[str]:
        return [e for e in self.errors if not any(re.search(p, e) for p in self.expected)]


def _origin(url: str) -> str:
    return re.sub(r"^ws", "http", "/".join(url.split("/", 3)[:3]))
