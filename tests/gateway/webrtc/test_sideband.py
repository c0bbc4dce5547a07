"""A WebSocket beside a WebRTC call: told everything, allowed everything, gone without harm."""

from __future__ import annotations

import base64
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from gateway_calls import Gateway
from openai import AsyncOpenAI
from rtc_caller import RtcCaller, rtc_call
from websockets.exceptions import InvalidStatus

from voiceserver.gateway.webrtc.sideband import MOST_SIDEBANDS

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


def beside(caller: RtcCaller) -> str:
    """The query that joins a call."""
    return "&call_id=" + caller.call_path.rsplit("/", 1)[1]


async def test_the_server_behind_the_page_runs_the_tools(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller, gateway.call(beside(caller)) as server:
        assert server.session_id == caller.events[0]["session"]["id"]
        assert (await server.settings(tools=[WEATHER]))["tools"][0]["name"] == "weather"
        assert (await caller.until("session.updated"))["session"]["tools"]
        caller.write("please call it")
        called = await server.until("response.function_call_arguments.done")
        await server.until("response.done")
        output = {"type": "function_call_output", "call_id": called["call_id"], "output": "rain"}
        await server.send("conversation.item.create", item=output)
        await server.send("response.create")
        await caller.until("response.done")
        done = (await caller.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "I heard rain."
        await server.until("response.done")
        assert (await server.until("output_audio_buffer.stopped"))["response_id"]
        await caller.until("output_audio_buffer.stopped")  # it may be told a moment later
        assert server.events[1:] == caller.events[1 : len(server.events)]
        assert "response.output_audio.delta" not in server.kinds()


async def test_openai_python_joins_by_call_id(gateway: Gateway) -> None:
    client = AsyncOpenAI(base_url=f"{gateway.http}/v1", api_key="none")
    async with rtc_call(gateway) as caller:
        call_id = caller.call_path.rsplit("/", 1)[1]
        async with client.realtime.connect(call_id=call_id) as server:
            created: Any = await server.recv()
            assert created.session.id == caller.events[0]["session"]["id"]


async def test_only_the_sideband_gets_the_sound_it_asked_for(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller, gateway.call(beside(caller)) as server:
        caller.speak(0.5)
        committed = await server.until("input_audio_buffer.committed")
        done = (await server.until("response.done"))["response"]
        for item_id in (committed["item_id"], done["output"][0]["id"]):
            await server.send("conversation.item.retrieve", item_id=item_id)
            (part,) = (await server.until("conversation.item.retrieved"))["item"]["content"]
            sound_s = len(base64.b64decode(part["audio"])) / 2 / 24_000
            assert 0.5 < sound_s < 2.0, part["type"]
        caller.send("conversation.item.retrieve", item_id="none", event_id="e1")
        while (event := await caller.next())["type"] != "error":
            pass
        assert event["error"]["event_id"] == "e1"
        await server.send("response.cancel", event_id="e2")
        while (event := await server.next())["type"] != "error":
            pass
        assert event["error"]["event_id"] == "e2"
        assert "conversation.item.retrieved" not in caller.kinds()


async def test_it_leaves_and_the_call_goes_on_but_not_the_other_way(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        async with gateway.call(beside(caller)):
            pass
        async with gateway.call(beside(caller)) as server:
            caller.write("hello")
            await server.until("response.done")
            await caller.until("response.done")
            async with httpx.AsyncClient(base_url=gateway.http) as http:
                assert (await http.post(f"{caller.call_path}/hangup")).status_code == 200
            await server.socket.wait_closed()
            assert server.socket.close_code == 1000


async def test_who_may_join(start) -> None:  # type: ignore[no-untyped-def]
    key = {"Authorization": "Bearer right"}

    async def status(query: str, headers: dict[str, str]) -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.call(query, additional_headers=headers):
                pass
        return refused.value.response.status_code

    with start(api_key="right") as gateway:
        async with httpx.AsyncClient(base_url=gateway.http, headers=key) as http:
            secret = (await http.post("/v1/realtime/client_secrets")).json()["value"]
        browser = {"Authorization": f"Bearer {secret}"}
        async with rtc_call(gateway, headers=browser) as caller:
            assert await status(beside(caller), browser) == 401
            assert await status("&call_id=rtc_none", key) == 404
            async with AsyncExitStack() as joined:
                for _ in range(MOST_SIDEBANDS):
                    one = gateway.call(beside(caller), additional_headers=key)
                    await joined.enter_async_context(one)
                assert await status(beside(caller), key) == 429
