"""The real server with another thinker: an endpoint writes, our voice speaks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

for folder in ("gateway", "engine/thinking"):  # the caller and the endpoint are the same
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

from fake_endpoint import FakeEndpoint, running_endpoint  # noqa: E402
from gateway_calls import Caller  # noqa: E402

from voiceserver.cli.own_server import RunningServer, server_at  # noqa: E402
from voiceserver.engine.thinking.desk import APOLOGY  # noqa: E402

pytestmark = pytest.mark.e2e

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[FakeEndpoint]:
    with running_endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def server(endpoint: FakeEndpoint) -> Iterator[RunningServer]:
    options = ["--thinker", endpoint.url, "--thinker-model", "fake", "--sessions", "1"]
    options.append("--thinker-images")
    with server_at(None, options=options) as running:
        yield running


async def test_an_endpoint_writes_calls_tools_and_fails_while_the_session_lives(
    server: RunningServer, endpoint: FakeEndpoint
) -> None:
    async with connect(f"{server.url.rstrip('/')}/v1/realtime", max_size=None) as socket:
        caller = Caller(socket)
        await caller.settings(tools=[WEATHER])

        async def spoken() -> tuple[str, list[dict[str, str]]]:
            """The next response's transcript and calls; its words must have been heard."""
            response = (await caller.until("response.done"))["response"]
            message, *calls = response["output"]
            assert response["status"] == "completed"
            assert caller.audio_bytes(response["id"]) > 24000
            return message["content"][0]["transcript"], calls

        await caller.write("weather")
        await caller.send("response.create")
        said, calls = await spoken()
        assert said == "One moment."
        for call, degrees in zip(calls, ("20", "-5"), strict=True):
            output = {"call_id": call["call_id"], "output": degrees}
            item = {"type": "function_call_output", **output}
            await caller.send("conversation.item.create", item=item)
        await caller.send("response.create")
        assert await spoken() == ("The answer is -5.", [])
        assert [m["role"] for m in endpoint.bodies[-1]["messages"]] == [
            *("system", "user", "assistant", "tool", "tool")
        ]
        await caller.write("answer 500")
        await caller.send("response.create")
        assert await spoken() == (APOLOGY, [])
        await caller.write("hello")
        await caller.send("response.create")
        assert (await spoken())[0] == "Hello there."
        usage = caller.events[-1]["response"]["usage"]
        assert (usage["input_tokens"], usage["output_token_details"]["text_tokens"]) == (31, 7)
        shown = {"type": "input_image", "image_url": "https://example.com/cat.jpg"}
        item = {"type": "message", "role": "user", "content": [shown]}
        await caller.send("conversation.item.create", item=item)
        await caller.send("response.create")
        assert (await spoken())[0] == "How nice."
        seen = endpoint.bodies[-1]["messages"][-1]["content"]
        assert seen == [{"type": "image_url", "image_url": {"url": shown["image_url"]}}]
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"{server.page}/metrics")).text
    assert 'voiceserver_thinker_failures_total{reason="http_500"} 1.0' in page
    assert "voiceserver_tool_calls_total 2.0" in page
