"""What tests of MCP servers share: a caller whose session has tools of one."""

from __future__ import annotations

from typing import Any

from gateway_calls import Caller
from mcp_server import McpServer

Event = dict[str, Any]


def server(tools: McpServer, *names: str, **fields: Any) -> Event:
    """A server of tools as a client names it: of its tools only those of these names."""
    allowed = {"allowed_tools": list(names)} if names else {}
    whose = {"type": "mcp", "server_label": "town", "server_url": tools.url}
    return whose | {"require_approval": "never"} | allowed | fields


async def begin(caller: Caller, *tools: Event) -> Event:
    """Give the session tools and wait until they are known."""
    await caller.settings(output_modalities=["text"], tools=list(tools))
    listed = ""
    while listed not in ("mcp_list_tools.completed", "mcp_list_tools.failed"):
        listed = (await caller.next())["type"]
    done = await caller.until("conversation.item.done")
    item: Event = done["item"]
    assert listed == "mcp_list_tools.completed", item["error"]
    return item


async def ask(caller: Caller, text: str) -> Event:
    await caller.write(text)
    await caller.send("response.create")
    done: Event = (await caller.until("response.done"))["response"]
    return done


def text_of(response: Event) -> str:
    return str(response["output"][0]["content"][0]["text"])
