"""MCP servers that sessions name: asked for their tools, let in, unreachable, of one response."""

from __future__ import annotations

import httpx
import pytest
from gateway_calls import Gateway
from mcp_caller import Event, ask, begin, server, text_of
from mcp_server import TOKEN, McpServer

from voiceserver.engine.messages import Respond
from voiceserver.gateway.mcp import connection


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
