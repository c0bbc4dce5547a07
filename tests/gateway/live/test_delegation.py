"""Work that the model hands over, to the application or to functions of a Responses backend."""

from __future__ import annotations

import json
from typing import Any

from gateway_calls import Gateway
from live_calls import SAID, LiveCaller, live_call

from voiceserver.engine.messages import Respond

TOOLS = [
    {"type": "function", "name": "weather", "parameters": {"type": "object"}},
    {"type": "function", "name": "time", "parameters": {"type": "object"}},
]


def responses(**backend: Any) -> dict[str, Any]:
    return {"type": "responses", "responses": {"model": "some", "tools": TOOLS, **backend}}


async def ask(caller: LiveCaller, what: str) -> None:
    await caller.send("session.commentary.append", content=what, delegation_id=None)


async def response_events(caller: LiveCaller, last: str) -> list[dict[str, Any]]:
    """The backend's events up to the last one of a response."""
    found = []
    while True:
        event = await caller.until("response.event")
        found.append(event["event"] | {"delegation_id": event["delegation_id"]})
        if found[-1]["type"] == last:
            return found


async def test_functions_are_called_and_their_results_spoken_about(gateway: Gateway) -> None:
    async with live_call(gateway, delegation=responses(instructions="Use the tools.")) as caller:
        session = caller.events[0]["session"]
        assert session["delegation"]["responses"]["tools"] == TOOLS
        assert session["delegation"]["responses"]["model"] == "nano"  # the one that does the work
        await ask(caller, "call all")
        created = await caller.until("session.delegation.created")
        delegation_id = created["delegation"]["id"]
        assert created["delegation"]["target"] == "responses"
        assert created["offset_ms"] > 0
        events = await response_events(caller, "response.completed")
        assert {e["delegation_id"] for e in events} == {delegation_id}
        items = [e["item"] for e in events if e["type"] == "response.output_item.done"]
        assert [item["name"] for item in items] == ["weather", "time"]
        assert all(json.loads(item["arguments"]) == {"city": "Rome"} for item in items)
        assert events[-1]["response"]["usage"]["total_tokens"] > 0
        await output(caller, items[0], "20")
        await caller.send("response.create", event_id="early")
        error = await failure(caller)
        assert error["code"] == "function_call_outputs_required"
        assert error["client_event_id"] == "early"
        await output(caller, items[1], "noon")
        await caller.send("response.create")
        continued = await response_events(caller, "response.completed")
        assert [e["type"] for e in continued] == ["response.created", "response.completed"]
        assert continued[0]["delegation_id"] == delegation_id
        (first, second) = gateway.told(session["id"], Respond)
        assert "Use the tools." in first.dialogue[0].text
        assert [m.text for m in second.dialogue if m.role == "tool"] == ["20", "noon"]
        while "noon" not in "".join(e["delta"] for e in caller.events if e["type"] == SAID):
            await caller.next()


async def test_the_backend_can_be_given_other_tools_and_messages(gateway: Gateway) -> None:
    async with live_call(gateway, delegation=responses()) as caller:
        update = {"delegation": {"type": "responses", "responses": {"tools": TOOLS[1:]}}}
        await caller.send("session.update", session=update | {"triggers": []}, event_id="u")
        updated = await caller.until("session.updated", client_event_id="u")
        delegation = updated["session"]["delegation"]
        assert delegation["responses"]["tools"] == TOOLS[1:]
        message = {"role": "user", "content": "please call silently"}
        await caller.send("response.item.create", item=message)
        await caller.send("response.create")
        events = await response_events(caller, "response.completed")
        names = [e["item"]["name"] for e in events if e["type"] == "response.output_item.done"]
        assert names == ["time"]


async def test_an_application_is_told_and_answers_by_commentary(gateway: Gateway) -> None:
    async with live_call(gateway, delegation={"type": "client"}) as caller:
        await ask(caller, "call silently")
        created = await caller.until("session.delegation.created")
        assert created["delegation"]["target"] == "client"
        fields = {"delegation_id": created["delegation"]["id"]}
        await caller.send("session.thinking.append", content="working", **fields)
        await caller.until("session.thinking.appended")
        await caller.send("session.commentary.append", content="it is sunny", **fields)
        await caller.until("session.commentary.appended")
        while "sunny" not in "".join(e["delta"] for e in caller.events if e["type"] == SAID):
            await caller.next()
        session_id = caller.events[0]["session"]["id"]
        roles = [m.role for m in gateway.told(session_id, Respond)[-1].dialogue]
        assert roles == ["system", "user", "assistant", "tool", "user", "user"]


async def test_what_does_not_fit_the_delegation_is_refused(gateway: Gateway) -> None:
    async with live_call(gateway, delegation={"type": "client"}) as caller:
        appended = {"content": "x", "delegation_id": "dlg_none"}
        item = {"type": "function_call_output", "call_id": "c", "output": "x"}
        other = {"delegation": responses()}
        trigger = {"triggers": [{"type": "decisions"}]}
        for type, fields, code, param in (
            ("session.thinking.append", appended, "invalid_value", "delegation_id"),
            ("response.create", {}, "responses_delegation_required", None),
            ("response.item.create", {"item": item}, "responses_delegation_required", None),
            ("decision.create", {}, "decisions_delegation_required", None),
            ("session.update", {"session": other}, "invalid_value", "session.delegation.type"),
            ("session.update", {"session": trigger}, "invalid_value", "session.triggers"),
        ):
            await caller.send(type, event_id="e", **fields)
            error = await failure(caller)
            assert (error["code"], error.get("param")) == (code, param)
    async with live_call(gateway, delegation=responses()) as caller:
        for item, param in (
            ({"type": "function_call_output", "call_id": "c"}, "item.output"),
            ({"role": "robot", "content": "x"}, "item.role"),
            ({"type": "computer_call_output"}, "item.type"),
        ):
            await caller.send("response.item.create", item=item)
            assert (await failure(caller))["param"] == param


async def test_a_model_that_calls_nothing_says_so(start) -> None:  # type: ignore[no-untyped-def]
    with start(calls_tools=False) as gateway:
        async with live_call(gateway, delegation=responses()) as caller:
            assert (await caller.until("info"))["code"] == "delegation_unavailable"
        async with live_call(gateway) as caller:
            await caller.listen(0.3)
            assert "info" not in caller.kinds()  # who asked for nothing misses nothing


async def output(caller: LiveCaller, item: dict[str, Any], text: str) -> None:
    result = {"type": "function_call_output", "call_id": item["call_id"], "output": text}
    await caller.send("response.item.create", item=result)


async def failure(caller: LiveCaller) -> dict[str, Any]:
    """The next error."""
    while True:
        event = await caller.next()
        if event["type"] == "error":
            error: dict[str, Any] = event["error"]
            return error
