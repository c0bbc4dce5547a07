"""The calls that end a reply, as items of the conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voiceserver.engine.tools import ToolCall
from voiceserver.session.items import Item, function_call
from voiceserver.session.served_tools import Served, ServedTool


def called_items(
    calls: Sequence[ToolCall],
    served: Sequence[ServedTool],
    first_index: int,
    new_id: Callable[[str], str],
) -> list[Item]:
    """Each call: the client's to answer, ours to make, or ours if the client allows it."""
    tools = {tool.function_name: tool for tool in served}
    alone = all(call.name in tools for call in calls)
    items: list[Item] = []
    for index, call in enumerate(calls, start=first_index):
        tool = tools.get(call.name)
        if tool is None:
            items.append(function_call(new_id("item"), call))
            continue
        items.append(
            Item(
                new_id("mcpr" if tool.needs_approval else "mcp"),
                "mcp_approval_request" if tool.needs_approval else "mcp_call",
                status="completed" if tool.needs_approval else "in_progress",
                name=tool.name,
                call_id=call.call_id,
                arguments=call.arguments,
                served=Served(tool.server_label, call.name, index, alone),
            )
        )
    return items
