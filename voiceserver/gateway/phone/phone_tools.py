"""What the operator lets the model of a telephone call do: end the call, use servers of tools.

A telephone has no client that could say so, as Realtime clients do in their sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from voiceserver.config import McpConfig
from voiceserver.engine.tools import Tools
from voiceserver.gateway.mcp.access import Access
from voiceserver.gateway.mcp.toolbox import Toolbox
from voiceserver.gateway.services import Services
from voiceserver.session.items import Item
from voiceserver.session.session import Session

Wire = dict[str, Any]

_ANYWHERE = Access(("public", "local", "private"))  # the operator has named them


class PhoneTools:
    """The tools of one call."""

    def __init__(self, session: Session, services: Services, flush: Callable[[], None]) -> None:
        self._session = session
        self._flush = flush
        self._servers = [_wire(server) for server in services.mcp_servers]
        self._call_tools = services.call_tools
        self._toolbox = Toolbox(_ANYWHERE, session.tool_calls, self._changed, services.clock.now_s)

    def offer(self, *, can_transfer: bool) -> None:
        """Let the model have them; those of servers as soon as they are known."""
        call_tools = self._call_tools
        if not can_transfer:
            call_tools = replace(call_tools, transfer_to={})
        self._session.configure(replace(self._session.settings, call_tools=call_tools))
        self._toolbox.want(self._servers, only=True)

    def _changed(self) -> None:
        functions, served = self._toolbox.functions(self._servers)
        self._session.offer(Tools(tuple(functions)), tuple(served))
        self._flush()

    def run(self, item: Item) -> None:
        """Make a call of a server's tool."""
        self._toolbox.run(item)

    async def close(self) -> None:
        """The call is over."""
        await self._toolbox.close()


def _wire(server: McpConfig) -> Wire:
    """A server as the Realtime protocol names it."""
    wire: Wire = {
        "type": "mcp",
        "server_label": server.label,
        "server_url": server.url,
        "require_approval": "never",  # the operator has said so, and nobody else is there
    }
    key = server.key()
    return wire if key is None else wire | {"authorization": key}
