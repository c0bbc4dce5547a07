"""An MCP server with tools good and bad, on a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "a secret of the client's"


@dataclass
class McpServer:
    """A running server, and what it was asked."""

    origin: str = ""
    called: list[str] = field(default_factory=list)
    opened: threading.Event = field(default_factory=threading.Event)  # lets `slow` answer

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"


def _toolset(server: McpServer) -> MCPServer:
    tools = MCPServer("tools of the tests", log_level="CRITICAL")

    @tools.tool(annotations=ToolAnnotations(read_only_hint=True))
    def weather(city: str) -> str:
        """Tells the weather."""
        server.called.append("weather")
        return f"sunny in {city}"

    @tools.tool()
    async def slow(city: str) -> str:
        """Answers when it is let."""
        server.called.append("slow")
        await asyncio.to_thread(server.opened.wait, 60)
        return f"at last {city}"

    @tools.tool()
    def broken() -> str:
        """Never works."""
        server.called.append("broken")
        raise ValueError("the machine is on fire")

    @tools.tool()
    def long() -> str:
        """Says too much."""
        return "word " * 10_000

    @tools.tool()
    def again() -> str:
        """Makes the scripted model call once more."""
        server.called.append("again")
        return "call it silently again"

    @tools.tool(name="odd.name/here")
    def odd() -> str:
        """Has a name that chat endpoints do not take."""
        return "odd"

    return tools


class _Guarded:
    """Lets in who has the token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if headers.get(b"authorization") == f"Bearer {TOKEN}".encode():
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("who are you?", 401)(scope, receive, send)


async def _stall(_: Request) -> PlainTextResponse:
    await asyncio.sleep(3600)
    return PlainTextResponse("")


async def _page(_: Request) -> PlainTextResponse:
    return PlainTextResponse("<html>It works!</html>")


@contextmanager
def running_server(port: int = 0) -> Iterator[McpServer]:
    """The server under uvicorn, in a thread: /mcp, /sse, and /private/mcp for who has the token."""
    server = McpServer()
    app = _toolset(server).streamable_http_app()
    app.router.routes += [
        *_toolset(server).sse_app().routes,
        Route("/stall", _stall, methods=["GET", "POST"]),
        Route("/page", _page, methods=["GET", "POST"]),
    ]
    guarded = _toolset(server).streamable_http_app(stateless_http=True)
    app.router.routes.append(Mount("/private", _Guarded(guarded)))
    lives = app.router.lifespan_context, guarded.router.lifespan_context

    @asynccontextmanager
    async def both(_: Starlette) -> AsyncIterator[None]:
        async with lives[0](app), lives[1](guarded):
            yield

    app.router.lifespan_context = both
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    server.origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the MCP server did not start"
        time.sleep(0.01)
    try:
        yield server
    finally:
        server.opened.set()
        running.should_exit = True
        thread.join(10)
