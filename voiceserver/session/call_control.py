"""Hanging up, and handing the caller over, once all that was said has been heard."""

from __future__ import annotations

import json
from collections.abc import Callable

from voiceserver.session import notices as n
from voiceserver.session.answerer import Answerer
from voiceserver.session.call_tools import HANG_UP, CallTools
from voiceserver.session.conversation import Conversation
from voiceserver.session.items import Item
from voiceserver.session.playout import Playout

PAUSE_S = 0.3  # after the last word, before the line is closed
WENT_ON = "The user went on speaking, so the call goes on."


class CallControl:
    """What the model wants done with the call is done once all it said has been heard."""

    def __init__(
        self,
        tools: Callable[[], CallTools],
        playout: Playout,
        conversation: Conversation,
        answerer: Answerer,
        new_id: Callable[[str], str],
        put: Callable[[n.Effect], None],
    ) -> None:
        self._tools = tools
        self._playout = playout
        self._conversation = conversation
        self._answerer = answerer
        self._new_id = new_id
        self._put = put
        self._wanted: Item | None = None  # the call of the tool

    def noticed(self, effect: n.Effect) -> None:
        """A reply may have asked for it; who speaks before it is done prevents it."""
        match effect:
            case n.ReplyDone(reply) if reply.in_conversation:
                offered = {function.name for function in self._tools().functions()}
                calls = [c.item for c in reply.calls if c.item.kind == "function_call"]
                self._wanted = next((item for item in calls if item.name in offered), None)
                if self._wanted is not None:
                    self._put(n.Remind(PAUSE_S))
            case n.SpeechStarted() | n.ReplyCreated() if self._wanted is not None:
                item, self._wanted = self._wanted, None
                self._answer(item, WENT_ON)

    def reminded(self, now_s: float) -> None:
        """Time has passed; perhaps everything has been heard."""
        item = self._wanted
        if item is None:
            return
        unheard_s = self._playout.unheard_s(now_s)
        if unheard_s > 0:
            self._put(n.Remind(unheard_s + PAUSE_S))
            return
        self._wanted = None
        if item.name == HANG_UP:
            self._put(n.EndCall(item, None))
            return
        target = self._tools().transfer_to.get(_destination(item))
        if target is None:
            self.failed(item, "There is no such destination.", now_s)
        else:
            self._put(n.EndCall(item, target))

    def failed(self, item: Item, why: str, now_s: float) -> None:
        """The call could not be handed over; the model says so."""
        self._answer(item, why)
        self._answerer.result_came(now_s, wanted=True)

    def _answer(self, call: Item, output: str) -> None:
        item = Item(
            self._new_id("item"), "function_call_output", call_id=call.call_id, output=output
        )
        before = self._conversation.add(item)
        self._put(n.ItemAdded(item, before))
        self._put(n.ItemDone(item, before))


def _destination(item: Item) -> str:
    try:
        given = json.loads(item.arguments or "{}").get("destination")
    except (ValueError, AttributeError):
        return ""
    return given if isinstance(given, str) else ""
