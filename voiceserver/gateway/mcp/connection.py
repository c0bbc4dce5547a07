"""One client's connection to one MCP server: opened when needed, opened again when it was lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import httpx2
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, PaginatedRequestParams, TextContent, Tool

from voiceserver.gateway.mcp.access import Access, Forbidden, GuardedTransport
from voiceserver.session.served_tools import ToolError

log = logging.getLogger("voiceserver.gateway")
# The library's own messages hold URLs and what tools answer; we tell what has failed ourselves.
logging.getLogger("mcp").setLevel(logging.CRITICAL)

OPEN_S = 10.0  # connecting and listing, together
CALL_S = 30.0
MOST_PAGES = 8  # of a listing
MOST_OUTPUT_CHARS = 16_000  # of a result
_TERMINATED = "Session terminated"  # how the library says that the server knows us no more

Answer = TypeVar("Answer")


class ToolFailed(Exception):
    """The server did not do what it was asked."""

    def __init__(self, error: ToolError) -> None:
        super().__init__(error.message)
        self.error = error


class _Link:
    """An open connection. A task of its own opens and closes it, as the library demands."""

    def __init__(self, url: str, headers: Mapping[str, str], access: Access) -> None:
        self.transport = GuardedTransport(access)
        self.users = 0  # who wait for an answer
        self._url, self._headers = url, dict(headers)
        self._closing = asyncio.Event()
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._client.add_done_callback(_seen)
        self._owner = asyncio.create_task(self._own())

    async def client(self) -> Client:
        return await asyncio.shield(self._client)

    async def _own(self) -> None:
        try:
            async with self._opened() as client:
                self._client.set_result(client)
                await self._closing.wait()
        except Exception as error:
            if not self._client.done():
                self._client.set_exception(_innermost(error))
            log.debug("an MCP connection has ended: %s", type(error).__name__)
        finally:
            self._client.cancel()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Client]:
        async with AsyncExitStack() as stack:
            if httpx2.URL(self._url).path.rstrip("/").endswith("/sse"):  # the older transport
                server = sse_client(self._url, httpx_client_factory=self._http)
            else:
                http = await stack.enter_async_context(self._http())
                server = streamable_http_client(self._url, http_client=http)
            yield await stack.enter_async_context(Client(server, cache=None))

    def _http(self, *_: object, **__: object) -> httpx2.AsyncClient:
        timeout = httpx2.Timeout(OPEN_S, read=None)  # a stream may be silent for long
        return httpx2.AsyncClient(transport=self.transport, headers=self._headers, timeout=timeout)

    async def close(self) -> None:
        """Say goodbye, but do not wait long for an answer."""
        self._closing.set()
        if not self._client.done():
            self._owner.cancel()
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self._owner, 1.0)


class McpConnection:
    """Lists and calls one server's tools. Raises ToolFailed for whatever goes wrong."""

    def __init__(self, url: str, headers: Mapping[str, str], access: Access) -> None:
        self._url, self._headers, self._access = url, headers, access
        self._link: _Link | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def tools(self) -> list[Tool]:
        """What the server has."""
        return await self._asked(_listed, OPEN_S)

    async def call(self, name: str, arguments: dict[str, Any]) -> str:
        """What a tool answers, as text."""
        result = await self._asked(lambda client: client.call_tool(name, arguments), CALL_S)
        text = _text(result)
        if result.is_error:
            raise ToolFailed(ToolError("tool_execution_error", text or "The tool failed."))
        return text

    async def close(self) -> None:
        """Nothing more is asked."""
        if (link := self._link) is not None:
            self._let_go(link)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _asked(
        self, ask: Callable[[Client], Awaitable[Answer]], limit_s: float, *, again: bool = True
    ) -> Answer:
        link = self._link = self._link or _Link(self._url, self._headers, self._access)
        link.users += 1
        try:
            async with asyncio.timeout(limit_s):
                return await ask(await link.client())
        except Exception as error:
            refused = link.transport.refused
            if not isinstance(error, MCPError) or refused is not None:
                self._let_go(link)
            if not (again and isinstance(error, MCPError) and error.message == _TERMINATED):
                raise ToolFailed(_told(error, refused, limit_s)) from None
        finally:
            link.users -= 1
            if link is not self._link:
                self._let_go(link)
        return await self._asked(ask, limit_s, again=False)  # it did not know us: nothing was done

    def _let_go(self, link: _Link) -> None:
        """Whoever asks next opens another; this one ends when nobody waits for it any more."""
        if self._link is link:
            self._link = None
        if link.users == 0:
            task = asyncio.create_task(link.close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


async def _listed(client: Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        tools += page.tools
        if (cursor := page.next_cursor) is None:
            break
    return tools


def _text(result: CallToolResult) -> str:
    """What a model can read of a result."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    if not texts and result.structured_content is not None:
        texts = [json.dumps(result.structured_content, ensure_ascii=False)]
    other = len(result.content) - len(texts)
    if not texts and other > 0:
        texts = [f"({other} part{'s' * (other > 1)} of the result cannot be read as text)"]
    text = "\n".join(texts)
    return text if len(text) <= MOST_OUTPUT_CHARS else f"{text[:MOST_OUTPUT_CHARS]} (cut short)"


def _told(error: Exception, refused: int | None, limit_s: float) -> ToolError:
    """What the client gets to know of a failure."""
    error = _innermost(error)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        message = f"The server did not answer within {limit_s:g} s."
        return ToolError("http_error", message, 504)
    if refused is not None:
        return ToolError("http_error", f"The server answers with HTTP status {refused}.", refused)
    if isinstance(error, Forbidden):
        return ToolError("http_error", str(error), 403)
    if isinstance(error, MCPError):
        return ToolError("protocol_error", error.message[:500], error.code)
    if isinstance(error, httpx2.HTTPError):
        reason = str(error)[:200] or type(error).__name__
        return ToolError("http_error", f"The server cannot be reached: {reason}", 502)
    log.info("an MCP server: %s", type(error).__name__)
    return ToolError("protocol_error", "The server's answer cannot be read.", -32603)


def _innermost(error: BaseException) -> Exception:
    """The reason inside the groups that task groups make of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


def _seen(opened: asyncio.Future[Client]) -> None:
    """Whether it failed is told to who asks; nobody need ask."""
    if not opened.cancelled():
        opened.exception()
