"""How calls over SIP begin and end: offers, copies, refusals, limits, every way to hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from gateway_calls import Gateway, running_gateway
from sip_lines import line_of, port_of
from sip_phone import ALAW, HERE, calling, sip_phone, tone

from voiceserver.config import SipConfig

Start = Callable[..., AbstractContextManager[Gateway]]


async def test_the_server_offers_to_who_offers_nothing(exchange: Gateway) -> None:
    async with sip_phone(port_of(exchange), ALAW) as call:
        call.send(call.request("INVITE"))
        await call.until(lambda: bool(call.final("INVITE")))
        offer = call.final("INVITE")[0]
        assert "RTP/AVP 0 8 101" in offer.body
        call.to = offer.headers["to"]
        call.media_to = (HERE, int(offer.body.partition("m=audio ")[2].split()[0]))
        call.send(call.request("ACK", call.sdp(), number=1))
        call.says += tone(0.8, ALAW)
        await call.until(lambda: call.loud_s() > 0.5)
        await call.ask("BYE")
    await exchange.left()


async def test_lost_answers_come_again_and_copies_change_nothing(exchange: Gateway) -> None:
    await exchange.left()
    async with sip_phone(port_of(exchange)) as call:
        invite = call.request("INVITE", call.sdp())
        call.send(invite)
        call.send(invite)
        await call.until(lambda: len(call.final("INVITE")) >= 3)  # without our ACK
        assert len({a.headers["to"] for a in call.final("INVITE")}) == 1
        assert len(exchange.state.connections) == 1
        call.to = call.final("INVITE")[0].headers["to"]
        call.send(call.request("ACK", number=1))
        await call.ask("BYE")
        call.send(call.request("BYE", number=2))
        await call.until(lambda: len(call.final("BYE", 2)) == 2)
    await exchange.left()


async def test_ipv4_phones_reach_a_server_that_listens_everywhere(start_sip: Start) -> None:
    with start_sip(host="[::]") as gateway:
        async with calling(port_of(gateway)) as call:
            call.says += tone(0.6)
            await call.until(lambda: call.loud_s() > 0)
        assert "c=IN IP4 127.0.0.1" in call.final("INVITE", 1)[0].body


async def test_the_server_can_hang_up(exchange: Gateway) -> None:
    async with calling(port_of(exchange)) as call:
        call.answers_requests = False  # the first BYE is lost
        line = line_of(exchange, call)
        loop = line._ending.get_loop()  # type: ignore[union-attr]
        loop.call_soon_threadsafe(line.hang_up)
        await call.until(lambda: len(call.asked("BYE")) >= 2)
        assert call.asked("BYE")[0].headers == call.asked("BYE")[1].headers
        call.reply(call.asked("BYE")[0], "200 OK")
    await exchange.left()


async def test_who_may_not_call_is_refused(
    start_sip: Start, caplog: pytest.LogCaptureFixture
) -> None:
    # Bound to an address of the network of all examples, our own would be let in: see 127.0.0.2.
    with start_sip(host="127.0.0.2", sip={"callers": ("203.0.113.0/24",)}) as gateway:
        async with sip_phone(port_of(gateway)) as call:
            call.server = ("127.0.0.2", call.server[1])
            assert (await call.ask("INVITE", call.sdp())).status == 403
            assert not gateway.state.connections
            for _ in range(200):
                call.send(call.request("OPTIONS"))
            await asyncio.sleep(0.3)
            assert len(call.got) < 60  # whoever asks too often gets no answer
    assert "not an address that may call" in caplog.text


async def test_limits_hold_for_calls(start_sip: Start) -> None:
    with start_sip(sessions=1, session_s=1.5) as gateway:
        async with calling(port_of(gateway)) as call, sip_phone(port_of(gateway)) as refused:
            assert (await refused.ask("INVITE", refused.sdp())).status == 486
            assert not call.asked("BYE")
            await call.until(lambda: bool(call.asked("BYE")))  # longer than a session may last


async def test_a_call_can_be_cancelled_before_it_is_answered(start_sip: Start) -> None:
    with start_sip(sessions=1) as gateway:
        async with calling(port_of(gateway)), sip_phone(port_of(gateway)) as call:
            call.send(call.request("INVITE", call.sdp()))
            await call.until(lambda: any(a.status == 100 for a in call.got))
            call.send(call.request("CANCEL", number=1))  # while it waits for a place
            await call.until(lambda: bool(call.final("INVITE")))
            assert [a.status for a in call.final("CANCEL", 1)] == [200]
            assert {a.status for a in call.final("INVITE")} == {487}
        await gateway.left()


async def test_a_stopping_server_hangs_up(start_sip: Start) -> None:
    with start_sip() as gateway:
        async with calling(port_of(gateway)) as call:
            gateway.server.should_exit = True
            await call.until(lambda: bool(call.asked("BYE")))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"m": "audio 4000 RTP/AVP 9"}, 488),  # G.722 only
        ({"m": "audio 4000 RTP/SAVP 0"}, 488),
        ({"m": "video 4000 RTP/AVP 31"}, 488),
        ({"m": "audio x RTP/AVP 0"}, 400),
        ({"c": "IN IP4 phone.example.com"}, 400),
    ],
)
async def test_what_cannot_be_taken_is_said(
    exchange: Gateway, change: dict[str, str], status: int
) -> None:
    async with sip_phone(port_of(exchange)) as call:
        assert (await call.ask("INVITE", call.sdp(**change))).status == status


async def test_requests_outside_of_calls(exchange: Gateway) -> None:
    async with sip_phone(port_of(exchange)) as call:
        options = await call.ask("OPTIONS")
        assert options.status == 200
        assert "INVITE" in options.headers["allow"]
        assert (await call.ask("REGISTER")).status == 405
        assert (await call.ask("CANCEL")).status == 481
        required = await call.ask("INVITE", call.sdp(), "Require: 100rel\r\n")
        assert (required.status, required.headers["unsupported"]) == (420, "100rel")
        call.to = f"<sip:bot@{HERE}>;tag=unknown"
        assert (await call.ask("BYE")).status == 481


async def test_a_taken_port_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with sip_phone(1) as call:
        config = SipConfig(f"{HERE}:{call.port}")
        with (
            pytest.raises(AssertionError, match="did not start"),
            running_gateway(tmp_path / "journal", settings={"sip": config}),
        ):
            pass
    assert f"cannot listen for SIP on {config.address}" in caplog.text
