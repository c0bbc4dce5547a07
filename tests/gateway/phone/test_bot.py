"""The example of a phone bot, between the simulated call provider and a real gateway."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway_calls import Gateway
from twilio_network import calling, tone
from websockets.asyncio.server import serve

from voiceserver.engine.messages import Respond

Start = Callable[..., AbstractContextManager[Gateway]]


def the_bot() -> ModuleType:
    path = Path(__file__).parents[3] / "clients" / "phone" / "bot.py"
    spec = importlib.util.spec_from_file_location("phone_bot", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def call_to_bot(gateway: Gateway) -> Any:
    bot = the_bot()
    url = f"ws://127.0.0.1:{gateway.port}"
    async with serve(lambda phone: bot.answer(phone, url), "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with calling(port) as call:
            await call.until(lambda c: c.sounds() > 0)  # it greets
            yield call
            await call.hang_up()


def told(gateway: Gateway) -> list[Respond]:
    [line] = gateway.state.connections
    return gateway.told(line.session_id, Respond)


async def test_the_bot_greets_answers_and_uses_its_tool(start: Start) -> None:
    with start(say="call a tool") as gateway:
        async with call_to_bot(gateway) as call:
            await call.quiet()
            call.says += tone(0.8)
            async with asyncio.timeout(60):
                while len(told(gateway)) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            greeting, question, result = told(gateway)
            await call.quiet()
        assert "Say hello" in greeting.dialogue[0].text
        assert "bicycle shop" in question.dialogue[0].text
        assert "The shop in Rome is open from nine" in result.dialogue[-1].text
        assert len(call.heard) / 8000 > 3 * 0.4


async def test_a_caller_who_speaks_up_stops_the_bot(start: Start) -> None:
    with start(say="long turn") as gateway:
        async with call_to_bot(gateway) as call:
            await call.quiet()
            call.says += tone(0.6)
            heard = len(call.heard)
            await call.until(lambda c: len(c.heard) > heard + 12_000)
            call.says += tone(1.2)
            await call.until(lambda c: c.heard_when_cleared)
            cleared = call.heard_when_cleared[-1]
            async with asyncio.timeout(60):
                while len(told(gateway)) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            words = told(gateway)[2].dialogue[-2].text.split()
        assert 1 <= len(words) <= (cleared - heard) / 8000 / 0.4 + 1
