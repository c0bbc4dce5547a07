"""One session's MCP servers: listed when the client names them, called when the model wants it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from mcp_types import Tool

from voiceserver.engine.tools import Function
from voiceserver.gateway.mcp.access import Access
from voiceserver.gateway.mcp.connection import McpConnection, ToolFailed
from voiceserver.gateway.mcp.offer import Listing, functions_of, listing
from voiceserver.session.call_tools import HANG_UP, TRANSFER
from voiceserver.session.items import Item
from voiceserver.session.served_tools import ServedTool, ToolError
from voiceserver.session.tool_calls import ToolCalls

Wire = dict[str, Any]

MOST_CALLS = 8  # at once; more are refused, and the model is told


class _Server:
    """One of them, and what is known of it."""

    def __init__(self, wire: Wire, access: Access) -> None:
        self.wire = wire
        self.item_id = ""  # of its listing
        self.listing: Listing | None = None  # None: still asked
        self.listed = asyncio.Event()
        headers = dict(wire.get("headers") or {})
        if token := wire.get("authorization"):
            headers["Authorization"] = f"Bearer {token}"
        self.connection = McpConnection(wire["server_url"], headers, access)


class Toolbox:
    """Lists, offers and calls. `changed` is called after each thing that has become of one."""

    def __init__(
        self,
        access: Access,
        calls: ToolCalls,
        changed: Callable[[], None],
        now_s: Callable[[], float],
    ) -> None:
        self._access = access
        self._calls = calls
        self._changed = changed
        self._now_s = now_s
        self._servers: dict[str, _Server] = {}  # by label
        self._tasks: set[asyncio.Task[None]] = set()
        self._calling = 0

    # --- which servers -----------------------------------------------------------------------

    def want(self, tools: Sequence[Wire], *, only: bool) -> None:
        """Ask those servers for their tools that have not told; `only` these are wanted."""
        wanted = {tool["server_label"]: tool for tool in tools if tool["type"] == "mcp"}
        for label in [*self._servers]:
            if (only or label in wanted) and not self._stays(label, wanted.get(label)):
                self._start(self._servers.pop(label).connection.close())
        for label, wire in wanted.items():
            if label not in self._servers:
                server = self._servers[label] = _Server(wire, self._access)
                server.item_id = self._calls.listing(label)
                self._start(self._list(server))

    def _stays(self, label: str, wire: Wire | None) -> bool:
        """Whether what is known of a server still holds; one that failed is asked again."""
        server = self._servers[label]
        failed = server.listing is not None and server.listing.error is not None
        return wire is not None and server.wire == wire and not failed

    async def _list(self, server: _Server) -> None:
        try:
            tools = [_as_listed(tool) for tool in await server.connection.tools()]
            server.listing = listing(tools, server.wire)
        except ToolFailed as failure:
            server.listing = Listing(error=failure.error)
        server.listed.set()
        self._calls.listed(server.item_id, server.listing.tools, server.listing.error)
        self._changed()

    async def told(self, tools: Sequence[Wire]) -> None:
        """Wait until the servers among these tools have told theirs, or have failed to."""
        labels = [tool["server_label"] for tool in tools if tool["type"] == "mcp"]
        for server in [self._servers[label] for label in labels if label in self._servers]:
            await server.listed.wait()

    def all_told(self, tools: Sequence[Wire]) -> bool:
        """Whether there is nothing to wait for."""
        wanted = [tool for tool in tools if tool["type"] == "mcp"]
        known = [self._servers.get(tool["server_label"]) for tool in wanted]
        return all(
            server is not None and server.wire == wire and server.listing is not None
            for server, wire in zip(known, wanted, strict=True)
        )

    def functions(self, tools: Sequence[Wire]) -> tuple[list[Function], list[ServedTool]]:
        """What of the servers among these tools is known by now."""
        servers: list[tuple[Wire, Listing]] = []
        for tool in tools:
            server = self._servers.get(tool["server_label"]) if tool["type"] == "mcp" else None
            if server is not None and server.listing is not None:
                servers.append((tool, server.listing))
        taken = [tool["name"] for tool in tools if tool["type"] == "function"]
        return functions_of(servers, [*taken, HANG_UP, TRANSFER])

    # --- calls -------------------------------------------------------------------------------

    def run(self, item: Item) -> None:
        """Make a call; its answer goes into the conversation."""
        self._start(self._call(item))

    async def _call(self, item: Item) -> None:
        output, error = "", None
        self._calling += 1
        try:
            output = await self._answer(item)
        except ToolFailed as failure:
            error = failure.error
        finally:
            self._calling -= 1
        self._calls.answered(item.item_id, output, error, self._now_s())
        self._changed()

    async def _answer(self, item: Item) -> str:
        server = self._servers.get(item.served.server_label)
        if server is None:
            message = "The session has no such server any more."
            raise ToolFailed(ToolError("protocol_error", message, -32600))
        if self._calling > MOST_CALLS:
            message = f"At most {MOST_CALLS} tools are called at once."
            raise ToolFailed(ToolError("protocol_error", message, -32600))
        return await server.connection.call(item.name, _arguments(item))

    # --- life --------------------------------------------------------------------------------

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """The session is over."""
        for task in self._tasks:
            task.cancel()
        closing = [server.connection.close() for server in self._servers.values()]
        await asyncio.gather(*self._tasks, *closing, return_exceptions=True)


def _arguments(item: Item) -> dict[str, Any]:
    """A call's arguments; thinkers hand over whole JSON objects only."""
    try:
        given = json.loads(item.arguments or "{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ToolFailed(ToolError("protocol_error", "The arguments are no JSON object.", -32602))
    return given


def _as_listed(tool: Tool) -> Wire:
    """A tool as the Realtime protocol lists it."""
    annotations = tool.annotations
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "annotations": None if annotations is None else _plain(annotations),
    }


def _plain(annotations: Any) -> Wire:
    plain: Wire = annotations.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain
