"""What the client sees of servers of tools: their items, and how far things have come."""

from __future__ import annotations

from typing import Any

from voiceserver.session.items import Item
from voiceserver.session.notices import ToolProgress
from voiceserver.session.served_tools import ToolError

Wire = dict[str, Any]


def mcp_fields(item: Item) -> Wire:
    """The fields of an item of one of the protocol's MCP types."""
    served = item.served
    if item.kind == "mcp_approval_response":
        return {
            "approval_request_id": served.approval_request_id,
            "approve": served.approve,
            "reason": served.reason,
        }
    wire: Wire = {"server_label": served.server_label}
    error = None if served.error is None else _error(served.error)
    if item.kind == "mcp_list_tools":
        wire["tools"] = list(served.tools)
        return wire if error is None else wire | {"error": error}  # the protocol leaves it unsaid
    wire |= {"name": item.name, "arguments": item.arguments}
    if item.kind == "mcp_call":
        done = item.status != "in_progress" and error is None
        wire["approval_request_id"] = served.approval_request_id
        wire |= {"output": item.output if done else None, "error": error}
    return wire


def _error(error: ToolError) -> Wire:
    wire: Wire = {"type": error.kind, "message": error.message}
    return wire if error.kind == "tool_execution_error" else wire | {"code": error.code}


def progress_event(progress: ToolProgress) -> Wire:
    """How far a listing or a call has come."""
    item = progress.item
    if item.kind == "mcp_list_tools":
        return {"type": f"mcp_list_tools.{progress.state}", "item_id": item.item_id}
    return {
        "type": f"response.mcp_call.{progress.state}",
        "item_id": item.item_id,
        "output_index": item.served.output_index,
    }
