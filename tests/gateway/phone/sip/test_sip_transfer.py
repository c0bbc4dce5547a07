"""Callers over SIP are handed over (REFER), by the model too; what fails is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from gateway_calls import Gateway
from sip_lines import line_of, port_of
from sip_phone import HERE, SipPhone, calling, tone

from voiceserver.engine.messages import Respond

Start = Callable[..., AbstractContextManager[Gateway]]

GOODBYE_S = 3 * 0.4  # "One moment please." as the scripted voice says it


@pytest.mark.parametrize("status", ["200 OK", "486 Busy Here"])
async def test_the_model_hands_a_caller_over(start_sip: Start, status: str) -> None:
    settings = {"transfer_to": (("sales", "1001"),)}
    with start_sip(say="call them", settings=settings) as exchange:
        async with calling(port_of(exchange)) as call:
            call.says += tone(0.8)
            await call.until(lambda: bool(call.asked("REFER")))
            assert abs(call.loud_s() - GOODBYE_S) < 0.15
            session_id = await exchange.only_id()
            refer = call.asked("REFER")[0]
            assert refer.headers["refer-to"] == f"<sip:1001@{HERE}:{call.port}>"
            await call.ask("NOTIFY", f"SIP/2.0 {status}\r\n", "Event: refer\r\n")
            if status.startswith("2"):
                await call.until(lambda: bool(call.asked("BYE")))
                return
            await call.until(lambda: call.loud_s() > GOODBYE_S + 0.5)
            said = exchange.told(session_id, Respond)[-1].dialogue[-1]
            assert said.role == "tool"
            assert "486" in said.text


async def transferred(exchange: Gateway, call: SipPhone, target: str) -> asyncio.Future[None]:
    line = line_of(exchange, call)
    loop = line._ending.get_loop()  # type: ignore[union-attr]
    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(line.transfer(target), loop))


async def test_a_call_is_handed_over(exchange: Gateway) -> None:
    async with calling(port_of(exchange)) as call:
        transfer = await transferred(exchange, call, "1001")
        await call.until(lambda: bool(call.asked("REFER")))
        refer = call.asked("REFER")[0]
        assert refer.headers["refer-to"] == f"<sip:1001@{HERE}:{call.port}>"
        for status in ("100 Trying", "200 OK"):
            notify = call.request("NOTIFY", f"SIP/2.0 {status}\r\n", "Event: refer\r\n")
            call.send(notify)
        await asyncio.wait_for(transfer, 20)
        await call.until(lambda: bool(call.asked("BYE")))
    await exchange.left()


async def test_a_failed_transfer_is_told_and_the_call_goes_on(exchange: Gateway) -> None:
    async with calling(port_of(exchange)) as call:
        with pytest.raises(Exception, match="a number, a name or a SIP URI"):
            await (await transferred(exchange, call, "the kitchen <please>"))
        transfer = await transferred(exchange, call, "sip:kitchen@example.com")
        await call.until(lambda: bool(call.asked("REFER")))
        await call.ask("NOTIFY", "SIP/2.0 486 Busy Here\r\n", "Event: refer\r\n")
        with pytest.raises(Exception, match="486"):
            await asyncio.wait_for(transfer, 20)
        assert not call.asked("BYE")
        call.says += tone(0.6)
        await call.until(lambda: call.loud_s() > 0)
