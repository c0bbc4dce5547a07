"""Tools of MCP servers over the real sockets: listed, called, allowed, spoken of, failing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from gateway_calls import Caller, Gateway
from mcp_server import TOKEN, McpServer

from voiceserver.engine.messages import Respond
from voiceserver.gateway.mcp import connection

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


@pytest.mark.parametrize(
    ("path", "code"), [("/stall", 504), ("/nowhere", 404), ("/private/mcp", 401), ("/page", None)]
)
async def test_a_server_that_lists_nothing_is_told_and_the_call_lives(
    gateway: Gateway,
    tools: McpServer,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    code: int | None,
) -> None:
    monkeypatch.setattr(connection, "OPEN_S", 0.3 if path == "/stall" else 10.0)
    async with gateway.call() as caller:
        whose = server(tools, server_url=tools.origin + path)
        await caller.settings(output_modalities=["text"], tools=[whose])
        await caller.until("mcp_list_tools.failed")
        item = (await caller.until("conversation.item.done"))["item"]
        assert item["tools"] == []
        assert item["error"].get("code") == code or code is None
        assert text_of(await ask(caller, "call it")) == "I heard call it."


async def test_a_server_that_has_failed_is_asked_again_when_it_is_named_again(
    gateway: Gateway, tools: McpServer
) -> None:
    gone = server(tools, server_url=tools.origin + "/nowhere")
    async with gateway.call() as caller:
        await caller.settings(output_modalities=["text"], tools=[gone])
        await caller.until("mcp_list_tools.failed")
        await caller.settings(instructions="something else")
        assert await caller.nothing_more() == []
        await caller.settings(tools=[gone])
        await caller.until("mcp_list_tools.failed")
        await begin(caller, server(tools, "weather"))
        await caller.settings(tools=[server(tools, "weather")])  # this one is known
        assert await caller.nothing_more() == []


async def test_what_lets_us_in_is_sent_there_and_shown_to_nobody(
    gateway: Gateway, tools: McpServer
) -> None:
    whose = server(tools, "weather", server_url=f"{tools.origin}/private/mcp", authorization=TOKEN)
    async with gateway.call() as caller:
        listed = await begin(caller, whose)
        assert [tool["name"] for tool in listed["tools"]] == ["weather"]
        updated = next(e for e in caller.events if e["type"] == "session.updated")
        [shown] = updated["session"]["tools"]
        assert shown == {k: v for k, v in whose.items() if k != "authorization"}
        assert TOKEN not in str(caller.events)


async def test_the_older_transport(gateway: Gateway, tools: McpServer) -> None:
    async with gateway.call() as caller:
        await begin(caller, server(tools, "weather", server_url=f"{tools.origin}/sse"))
        await ask(caller, "call silently")
        done = (await caller.until("response.done"))["response"]
        assert text_of(done) == "I heard sunny in Rome."


async def test_servers_of_one_response_only(gateway: Gateway, tools: McpServer) -> None:
    async with gateway.call() as caller:
        await caller.settings(output_modalities=["text"])
        await caller.write("call silently")
        read_only = {"read_only": True}
        whose = server(tools, allowed_tools=read_only, require_approval={"never": read_only})
        choice = {"type": "mcp", "server_label": "town", "name": "weather"}
        await caller.send("response.create", response={"tools": [whose], "tool_choice": choice})
        [call] = (await caller.until("response.done"))["response"]["output"]
        assert call["name"] == "weather"
        said = (await caller.until("response.done"))["response"]
        assert text_of(said) == "I heard sunny in Rome."
        first, second = gateway.told(caller.session_id, Respond)
        assert (first.tools.choice, first.tools.function_name) == ("function", "weather")
        assert second.tools.functions == ()


async def test_outside_the_conversation_no_server_is_asked(
    gateway: Gateway, tools: McpServer
) -> None:
    async with gateway.call() as caller:
        await caller.settings(output_modalities=["text"])
        await caller.write("call it")
        options = {"tools": [server(tools)], "conversation": "none"}
        await caller.send("response.create", response=options)
        done = (await caller.until("response.done"))["response"]
        assert text_of(done) == "I heard call it."
        assert "mcp_list_tools.in_progress" not in caller.kinds()


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


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"server_url": "ftp://town"}, "session.tools.0.server_url"),
        ({"server_url": None}, "session.tools.0.server_url"),
        ({"headers": {"X": "a\nb"}}, "session.tools.0.headers"),
        ({"require_approval": "sometimes"}, "session.tools.0.require_approval"),
        ({"type": "web_search"}, "session.tools.0.type"),
    ],
)
async def test_tools_that_are_none_are_refused(
    gateway: Gateway, tools: McpServer, fields: Event, param: str
) -> None:
    async with gateway.call() as caller:
        session = {"type": "realtime", "tools": [server(tools) | fields]}
        await caller.send("session.update", session=session)
        error = (await caller.next())["error"]
        assert error["param"] == param, error["message"]


async def test_a_session_that_ends_meanwhile_leaves_nothing(
    gateway: Gateway, tools: McpServer
) -> None:
    tools.opened.clear()
    async with gateway.call() as caller:
        await begin(caller, server(tools, "slow"))
        await ask(caller, "call silently")
        await caller.until("response.mcp_call.in_progress")
    async with gateway.call() as caller:
        await begin(caller, server(tools, "weather"))


async def test_a_client_secret_brings_servers_whose_keys_its_holder_never_sees(
    gateway: Gateway, tools: McpServer
) -> None:
    whose = server(tools, "weather", server_url=f"{tools.origin}/private/mcp", authorization=TOKEN)
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        session = {"type": "realtime", "tools": [whose]}
        answer = await client.post("/v1/realtime/client_secrets", json={"session": session})
    issued = answer.json()
    assert TOKEN not in answer.text
    headers = {"Authorization": f"Bearer {issued['value']}"}
    async with gateway.call(additional_headers=headers) as caller:
        await caller.until("mcp_list_tools.completed")
        assert TOKEN not in str(caller.events)
