"""Work that the model hands over: to the application, or to the functions of a Responses backend.

Both are functions that the thinker calls. A Responses backend is the session's own thinker: its
calls are told as that protocol's events, and the client's results and `response.create` go on with
the conversation. To an application the thinker can only say that it hands over (`DELEGATE`); what
comes back is appended to the conversation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from voiceserver.errors import ClientError
from voiceserver.gateway.line import new_id
from voiceserver.gateway.live import server_events as ev
from voiceserver.gateway.live.settings import DELEGATED
from voiceserver.session import notices as n
from voiceserver.session.items import Item
from voiceserver.session.session import Session

Wire = dict[str, Any]
_MOST_OPEN = 1024  # delegations an application may still answer


class ClientDelegations:
    """Work that the application does."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ids: dict[str, None] = {}  # in order

    def __contains__(self, delegation_id: str) -> bool:
        return delegation_id in self._ids

    def ended(self, reply: n.ReplyInfo, offset_ms: int) -> Iterator[Wire]:
        """What a reply that has ended delegates; the conversation is told that it was."""
        for called in reply.calls:
            delegation_id = new_id("dlg")
            self._ids[delegation_id] = None
            if len(self._ids) > _MOST_OPEN:
                del self._ids[next(iter(self._ids))]
            call_id = called.item.call_id
            told = Item(new_id("item"), "function_call_output", call_id=call_id, output=DELEGATED)
            self._session.create_item(told, None)
            yield ev.delegation_created(delegation_id, "client", offset_ms)


class ResponsesDelegations:
    """Functions that the client carries out for the thinker."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._open_calls: set[str] = set()
        self._delegation_id: str | None = None  # the newest
        self._continues = False  # the client has asked for the response to its results
        self._running: tuple[str, str | None] | None = None  # (response, its delegation)

    def answered(self, call_id: str) -> None:
        """The client has given a call's result."""
        self._open_calls.discard(call_id)

    def go_on(self) -> None:
        """The client wants the next response; raises ClientError while results are missing."""
        if self._open_calls:
            raise ClientError(
                f"The outputs of these function calls are missing: {sorted(self._open_calls)}.",
                code="function_call_outputs_required",
            )
        self._continues = True

    def created(self, reply: n.ReplyInfo) -> Iterator[Wire]:
        """A reply has begun; it is the response the client asked for, if it did."""
        if self._continues:
            self._continues = False
            yield self._begin(reply)

    def _begin(self, reply: n.ReplyInfo) -> Wire:
        self._running = (reply.response_id, self._delegation_id)
        response = ev.response_wire(reply.response_id, self._model, "in_progress")
        return ev.response_event(self._delegation_id, "created", response=response)

    def ended(self, reply: n.ReplyInfo, offset_ms: int) -> Iterator[Wire]:
        """What a reply that has ended wants done, and the end of the response it was."""
        running = self._running is not None and self._running[0] == reply.response_id
        if not running and not reply.calls:
            return
        if not running:
            self._delegation_id = new_id("dlg")
            yield ev.delegation_created(
                self._delegation_id, "responses", offset_ms, reply.response_id
            )
            yield self._begin(reply)
        assert self._running is not None, "a response that ends has begun"
        (_, delegation_id), self._running = self._running, None
        for index, called in enumerate(reply.calls):
            self._open_calls.add(called.item.call_id)
            yield from _call_events(delegation_id, index, called.item)
        # A response that was talked over has still been given.
        status = "completed" if reply.status == "cancelled" else reply.status
        response = ev.response_wire(
            reply.response_id,
            self._model,
            status,
            usage=reply.usage,
            reason=reply.error_message or reply.reason or "",
        )
        yield ev.response_event(delegation_id, status, response=response)


def _call_events(delegation_id: str | None, index: int, item: Item) -> Iterator[Wire]:
    call = {
        "type": "function_call",
        "id": item.item_id,
        "call_id": item.call_id,
        "name": item.name,
    }

    def event(kind: str, **fields: Any) -> Wire:
        return ev.response_event(delegation_id, kind, output_index=index, **fields)

    begun = call | {"arguments": "", "status": "in_progress"}
    yield event("output_item.added", item=begun)
    arguments = {"item_id": item.item_id, "arguments": item.arguments}
    yield event("function_call_arguments.done", name=item.name, **arguments)
    done = call | {"arguments": item.arguments, "status": "completed"}
    yield event("output_item.done", item=done)
