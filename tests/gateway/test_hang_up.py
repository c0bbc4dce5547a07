"""The model hangs up: each line is closed as its kind has it, once the goodbye has been heard."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from gateway_calls import Gateway, free_port
from websockets.exceptions import ConnectionClosedOK

for folder in ("phone", "webrtc"):
    sys.path.insert(0, str(Path(__file__).parent / folder))  # their callers are used

from asterisk_channel import dialled  # noqa: E402
from asterisk_line import dialling  # noqa: E402
from asterisk_line import tone as tone_of_samples  # noqa: E402
from rtc_caller import rtc_call  # noqa: E402
from twilio_network import calling, tone  # noqa: E402

GOODBYE_S = 3 * 0.4  # "One moment please." as the scripted voice says it
MAY_HANG_UP = {"call_tools": ["hang_up"]}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A server whose telephones' model hangs up in answer to anything."""
    from gateway_calls import running_gateway

    settings = {"hang_up": True, "audiosocket": f"127.0.0.1:{free_port()}"}
    journal = tmp_path_factory.mktemp("exchange") / "journal"
    with running_gateway(journal, say="call it off", settings=settings) as running:
        yield running


async def test_a_websocket_is_closed_after_the_client_was_told(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        session = await caller.settings(voiceserver=MAY_HANG_UP)
        assert session["voiceserver"] == MAY_HANG_UP
        await caller.write("call it off")
        await caller.send("response.create")
        done = (await caller.until("response.done"))["response"]
        message, call = done["output"]
        assert (call["type"], call["name"]) == ("function_call", "hang_up")
        told = await caller.until("voiceserver.call.hang_up")
        assert told["item_id"] == call["id"]
        with pytest.raises(ConnectionClosedOK) as closed:
            await caller.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000
        assert message["content"][0]["transcript"] == "One moment please."


async def test_only_what_this_line_can_do_may_be_switched_on(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        asked = {"type": "realtime", "voiceserver": {"call_tools": ["transfer"]}}
        await caller.send("session.update", session=asked)
        assert (await caller.next())["error"]["param"] == "session.voiceserver.call_tools.0"
        own = {"type": "function", "name": "hang_up"}
        asked = {"type": "realtime", "tools": [own], "voiceserver": MAY_HANG_UP}
        await caller.send("session.update", session=asked)
        assert (await caller.next())["error"]["param"] == "session.voiceserver.call_tools"


async def test_a_model_without_tools_cannot(start) -> None:  # type: ignore[no-untyped-def]
    with start(calls_tools=False) as gateway:
        async with gateway.call() as caller:
            asked = {"type": "realtime", "voiceserver": MAY_HANG_UP}
            await caller.send("session.update", session=asked)
            error = (await caller.next())["error"]
            assert (error["code"], error["param"]) == (
                "unsupported_value",
                "session.voiceserver.call_tools",
            )


async def test_a_webrtc_call_ends(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        caller.send("session.update", session={"type": "realtime", "voiceserver": MAY_HANG_UP})
        await caller.until("session.updated")
        caller.write("call it off")
        await caller.until("voiceserver.call.hang_up")
        assert abs(caller.loud_s() - GOODBYE_S) < 0.2
        await asyncio.wait_for(caller.over.wait(), 30)


async def test_twilios_stream_is_closed(exchange: Gateway) -> None:
    async with calling(exchange.port) as call:
        call.says += tone(0.8)
        await asyncio.wait_for(call.socket.wait_closed(), 30)
        assert call.socket.close_code == 1000
        assert abs(len(call.heard) / 8000 - GOODBYE_S) < 0.15


async def test_asterisks_channel_is_told(exchange: Gateway) -> None:
    async with dialled(exchange.port) as call:
        call.says += tone(0.8)
        await call.until(lambda: "HANGUP" in call.commands())
        assert abs(len(call.heard) / 8000 - GOODBYE_S) < 0.15


async def test_audiosocket_says_so(exchange: Gateway) -> None:
    port = int(exchange.state.config.audiosocket.rpartition(":")[2])  # type: ignore[union-attr]
    async with dialling(port) as call:
        call.says += tone_of_samples(0.8)
        await asyncio.wait_for(call.hung_up.wait(), 30)
        assert abs(len(call.heard) * 0.02 - GOODBYE_S) < 0.15
