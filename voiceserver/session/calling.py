"""The calls that end a reply, as items of the conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from voiceserver.engine.tools import ToolCall
from voiceserver.session.conversation import Conversation
from voiceserver.session.items import Item, function_call
from voiceserver.session.served_tools import Served, ServedTool

_MOST_REMEMBERED = 1024  # ids, beside those that the conversation holds


class CallIds:
    """No two calls of a session have one id: some endpoints count them anew in every reply."""

    def __init__(self, conversation: Conversation, new_id: Callable[[str], str]) -> None:
        self._conversation = conversation
        self._new_id = new_id
        self._used: dict[str, None] = {}  # in order

    def distinct(self, calls: Sequence[ToolCall]) -> list[ToolCall]:
        """The calls, with new ids where theirs have been used before."""
        held = {item.call_id for item in self._conversation.items()} if calls else set()
        return [self._distinct(call, held) for call in calls]

    def _distinct(self, call: ToolCall, held: set[str]) -> ToolCall:
        if call.call_id in held or call.call_id in self._used:
            call = replace(call, call_id=self._new_id("call"))
        self._used[call.call_id] = None
        if len(self._used) > _MOST_REMEMBERED:
            del self._used[next(iter(self._used))]
        return call


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
