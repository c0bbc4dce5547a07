"""Tools of MCP servers over the real sockets: called, allowed, spoken of, failing."""

from __future__ import annotations

import pytest
from gateway_calls import Gateway
from mcp_caller import ask, begin, server, text_of
from mcp_server import McpServer

from voiceserver.engine.messages import Respond
from voiceserver.gateway.mcp import connection


async def test_a_servers_tools_are_listed_called_and_spoken_of(
    gateway: Gateway, tools: McpServer
) -> None:
    async with gateway.call() as caller:
        listed = await begin(caller, server(tools))
        assert [tool["name"] for tool in listed["tools"]] == [
            *("weather", "slow", "broken", "long", "again", "odd.name/here")
        ]
        assert listed["tools"][0]["description"] == "Tells the weather."
        assert "city" in listed["tools"][0]["input_schema"]["properties"]
        assert caller.kinds()[-4:] == [
            "conversation.item.added",
            "mcp_list_tools.in_progress",
            "mcp_list_tools.completed",
            "conversation.item.done",
        ]
        [call] = (await ask(caller, "call silently"))["output"]
        assert (call["type"], call["name"], call["output"]) == ("mcp_call", "weather", None)
        assert caller.kinds()[-6:] == [
            "response.output_item.added",
            "conversation.item.added",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.output_item.done",
            "response.done",
        ]
        assert (await caller.next())["type"] == "response.mcp_call.in_progress"
        assert (await caller.next())["type"] == "response.mcp_call.completed"
        done = await caller.next()
        assert done["type"] == "conversation.item.done"
        assert done["item"] == call | {"output": "sunny in Rome"}
        said = (await caller.until("response.done"))["response"]
        assert text_of(said) == "I heard sunny in Rome."
        offered = gateway.told(caller.session_id, Respond)[0].tools.functions
        assert [f.name for f in offered][-1] == "odd_name_here"
        # Clients of other servers ask for that response themselves; it is not made twice.
        await caller.send("response.create")
        assert await caller.nothing_more() == []


async def test_a_spoken_result_waits_until_the_assistant_has_finished(
    gateway: Gateway, tools: McpServer
) -> None:
    tools.opened.clear()
    async with gateway.call() as caller:
        await begin(caller, server(tools, "slow"))
        await ask(caller, "call silently")
        await caller.settings(output_modalities=["audio"])
        await caller.write("something else")
        await caller.send("response.create")
        await caller.until("response.output_audio.delta")
        tools.opened.set()
        first = (await caller.until("response.done"))["response"]
        assert first["output"][0]["content"][0]["transcript"] == "I heard something else."
        assert "response.mcp_call.completed" in caller.kinds()
        second = (await caller.until("response.done"))["response"]
        assert second["status"] == "completed"
        read = gateway.told(caller.session_id, Respond)[-1].dialogue
        assert "at last Rome" in [message.text for message in read]
        assert caller.audio_bytes(second["id"]) > 0


async def test_calls_in_parallel_are_answered_once_all_have_their_results(
    gateway: Gateway, tools: McpServer
) -> None:
    tools.opened.clear()
    async with gateway.call() as caller:
        await begin(caller, server(tools, "weather", "slow"))
        calls = (await ask(caller, "call all silently"))["output"]
        assert [call["name"] for call in calls] == ["weather", "slow"]
        await caller.until("response.mcp_call.completed")
        await caller.send("response.create")  # as some clients do after each of them
        assert "response.created" not in [e["type"] for e in await caller.nothing_more()]
        tools.opened.set()
        await caller.until("response.mcp_call.completed")
        await caller.until("response.done")
        read = gateway.told(caller.session_id, Respond)[-1].dialogue
        assert [m.text for m in read if m.role == "tool"] == ["sunny in Rome", "at last Rome"]
        assert await caller.nothing_more() == []


async def test_a_call_is_made_when_the_client_allows_it(gateway: Gateway, tools: McpServer) -> None:
    tools.called.clear()
    async with gateway.call() as caller:
        await begin(caller, server(tools, "weather", require_approval=None))
        [request] = (await ask(caller, "call silently"))["output"]
        assert request["type"] == "mcp_approval_request"
        assert (request["name"], request["arguments"]) == ("weather", '{"city": "Rome"}')
        assert await caller.nothing_more() == []
        answer = {"type": "mcp_approval_response", "approval_request_id": request["id"]}
        await caller.send("conversation.item.create", item=answer | {"approve": True})
        await caller.until("response.mcp_call.completed")
        done = (await caller.until("conversation.item.done"))["item"]
        assert (done["approval_request_id"], done["output"]) == (request["id"], "sunny in Rome")
        said = (await caller.until("response.done"))["response"]
        assert text_of(said) == "I heard sunny in Rome."
        read = gateway.told(caller.session_id, Respond)[-1].dialogue
        assert [m.role for m in read[-2:]] == ["assistant", "tool"]
        await caller.send("conversation.item.create", item=answer | {"approve": True})
        while (event := await caller.next())["type"] != "error":
            pass
        assert event["error"]["param"] == "item.approval_request_id"
        assert tools.called == ["weather"]


async def test_a_call_that_is_not_allowed_is_not_made(gateway: Gateway, tools: McpServer) -> None:
    tools.called.clear()
    rule = {"always": {"tool_names": ["weather"]}, "never": {"tool_names": ["slow"]}}
    async with gateway.call() as caller:
        await begin(caller, server(tools, "weather", require_approval=rule))
        [request] = (await ask(caller, "call silently"))["output"]
        answer = {"type": "mcp_approval_response", "approval_request_id": request["id"]}
        await caller.send(
            "conversation.item.create", item=answer | {"approve": False, "reason": "Not today."}
        )
        said = (await caller.until("response.done"))["response"]
        assert text_of(said) == "I heard The user did not allow this. Reason: Not today.."
        assert tools.called == []


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [("broken", "tool_execution_error", "broken"), ("slow", "http_error", "within 0.3 s")],
)
async def test_a_tool_that_fails_is_told_to_client_and_model(
    gateway: Gateway,
    tools: McpServer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kind: str,
    message: str,
) -> None:
    tools.opened.clear()
    monkeypatch.setattr(connection, "CALL_S", 0.3)
    async with gateway.call() as caller:
        await begin(caller, server(tools, name))
        await ask(caller, "call silently")
        await caller.until("response.mcp_call.failed")
        item = (await caller.until("conversation.item.done"))["item"]
        assert item["error"]["type"] == kind
        assert message in item["error"]["message"]
        said = (await caller.until("response.done"))["response"]
        assert text_of(said).startswith("I heard Error:")
        assert text_of(await ask(caller, "hello")) == "I heard hello."


async def test_a_model_that_calls_for_ever_is_made_to_speak(
    gateway: Gateway, tools: McpServer
) -> None:
    tools.called.clear()
    async with gateway.call() as caller:
        await begin(caller, server(tools, "again"))
        await ask(caller, "call silently")
        said = (await caller.until("response.done"))["response"]
        while said["output"]:
            said = (await caller.until("response.done"))["response"]
        assert tools.called == ["again"] * 8
        assert await caller.nothing_more() == []


async def test_the_clients_own_function_beside_a_servers_tool(
    gateway: Gateway, tools: McpServer
) -> None:
    async with gateway.call() as caller:
        await begin(caller, server(tools, "weather"), {"type": "function", "name": "weather"})
        own, served = (await ask(caller, "call all silently"))["output"]
        assert (own["type"], served["type"]) == ("function_call", "mcp_call")
        await caller.until("response.mcp_call.completed")
        assert "response.created" not in [e["type"] for e in await caller.nothing_more()]
        names = [f.name for f in gateway.told(caller.session_id, Respond)[0].tools.functions]
        assert names == ["weather", "town_weather"]
        item = {"type": "function_call_output", "call_id": own["call_id"], "output": "rain"}
        await caller.send("conversation.item.create", item=item)
        await caller.send("response.create")
        assert text_of((await caller.until("response.done"))["response"]) == "I heard rain."
