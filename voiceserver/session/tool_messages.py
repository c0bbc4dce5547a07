"""Calls of tools and what came of them, as the model reads them."""

from __future__ import annotations

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.tools import ToolCall
from voiceserver.session.items import Item


def tool_messages(item: Item) -> list[ChatMessage]:
    """What an item that is no message says: a call, a result, both, or nothing."""
    match item.kind:
        case "function_call":
            return [_call(item, item.name)]
        case "function_call_output":
            return [_result(item, item.output)]
        case "mcp_approval_request":
            return [_call(item, item.served.function_name)]
        case "mcp_approval_response" if not item.served.approve:
            reason = f" Reason: {item.served.reason}" if item.served.reason else ""
            return [_result(item, f"The user did not allow this.{reason}")]
        case "mcp_call":
            asked_before = item.served.approval_request_id is not None
            call = [] if asked_before else [_call(item, item.served.function_name)]
            return call if item.status == "in_progress" else [*call, _result(item, _came(item))]
    return []


def _came(item: Item) -> str:
    """What came of a call that this server made."""
    error = item.served.error
    return item.output if error is None else f"Error: {error.message}"


def _call(item: Item, function_name: str) -> ChatMessage:
    call = ToolCall(item.call_id, function_name, item.arguments or "{}")
    return ChatMessage("assistant", "", item.item_id, call=call)


def _result(item: Item, text: str) -> ChatMessage:
    return ChatMessage("tool", text, item.item_id, call_id=item.call_id)
