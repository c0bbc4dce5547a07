"""Calls of tools that this server carries out itself: as items, allowed or not, answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from voiceserver.errors import ClientError
from voiceserver.session import notices as n
from voiceserver.session.answerer import Answerer
from voiceserver.session.conversation import Conversation
from voiceserver.session.items import Item
from voiceserver.session.served_tools import Served, ToolError


class ToolCalls:
    """What becomes of one session's calls and listings."""

    def __init__(
        self,
        conversation: Conversation,
        answerer: Answerer,
        new_id: Callable[[str], str],
        put: Callable[[n.Effect], None],
    ) -> None:
        self._conversation = conversation
        self._answerer = answerer
        self._new_id = new_id
        self._put = put

    # --- listings ----------------------------------------------------------------------------

    def listing(self, server_label: str) -> str:
        """A server is being asked for its tools; returns the item that will list them."""
        item_id = self._new_id("mcpl")
        item = Item(item_id, "mcp_list_tools", status="in_progress", served=Served(server_label))
        self._put(n.ItemAdded(item, self._conversation.add(item)))
        self._put(n.ToolProgress(item, "in_progress"))
        return item_id

    def listed(
        self, item_id: str, tools: tuple[Mapping[str, Any], ...], error: ToolError | None
    ) -> None:
        """The server has told its tools, or has failed to."""
        item = self._conversation.get(item_id)
        if item is not None:
            served = replace(item.served, tools=tools, error=error)
            self._finish(replace(item, status="completed", served=served))

    def _finish(self, item: Item) -> None:
        self._conversation.replace(item)
        self._put(n.ToolProgress(item, "failed" if item.served.error else "completed"))
        self._put(n.ItemDone(item, self._conversation.before(item.item_id)))

    # --- calls -------------------------------------------------------------------------------

    def answered(self, item_id: str, output: str, error: ToolError | None, now_s: float) -> None:
        """A tool's server has answered a call, or has failed to."""
        item = self._conversation.get(item_id)
        if item is None:  # the client has deleted it
            return
        served = replace(item.served, error=error)
        self._finish(replace(item, status="completed", output=output, served=served))
        self._answerer.result_came(now_s, wanted=served.alone)

    def check_decision(self, item: Item) -> Item:
        """The client's answer to a request for approval, as it belongs; raises ClientError."""
        request_id = item.served.approval_request_id or ""
        request = self._conversation.get(request_id)
        earlier = [i for i in self._conversation.items() if i.kind == item.kind]
        answered = any(i.served.approval_request_id == request_id for i in earlier)
        if request is None or request.kind != "mcp_approval_request" or answered:
            why = "has been answered already" if answered else "does not exist"
            raise ClientError(
                f"The request for approval '{request_id[:100]}' {why}.",
                code="invalid_value",
                param="item.approval_request_id",
            )
        return replace(item, call_id=request.call_id)

    def decided(self, decision: Item, now_s: float) -> None:
        """The client has allowed a call or not: it is made, or the model learns that it was not."""
        request = self._conversation.get(decision.served.approval_request_id or "")
        assert request is not None, "the decision has been checked"
        if not decision.served.approve:
            self._answerer.result_came(now_s, wanted=request.served.alone)
            return
        call = replace(
            request,
            item_id=self._new_id("mcp"),
            kind="mcp_call",
            status="in_progress",
            served=replace(request.served, approval_request_id=request.item_id),
        )
        self._put(n.ItemAdded(call, self._conversation.add(call)))
        self._put(n.ToolProgress(call, "in_progress"))
        self._put(n.RunTool(call))
