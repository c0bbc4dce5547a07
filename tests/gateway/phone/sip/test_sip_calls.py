"""Calls over SIP from a simulated phone: turns, interruptions, keys, holding, every way to end."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from gateway_calls import Gateway, running_gateway
from sip_phone import ALAW, HERE, ULAW, SipPhone, calling, sip_phone, tone

from voiceserver.config import SipConfig
from voiceserver.engine.messages import Respond
from voiceserver.gateway.phone.sip.sip_call import SipCall

MIDDLES_S = [i * 0.4 + 0.175 for i in range(60)]  # of the scripted voice's words
Start = Callable[..., AbstractContextManager[Gateway]]


def port_of(gateway: Gateway) -> int:
    sip = gateway.state.config.sip
    assert sip is not None
    return int(sip.address.rpartition(":")[2])


def line_of(gateway: Gateway, call: SipPhone) -> SipCall:
    """The server's side of a call."""
    lines = [line for line in gateway.state.connections if isinstance(line, SipCall)]
    [line] = [line for line in lines if line._leg.dialog.call_id == call.call_id]
    return line


async def empty(gateway: Gateway) -> None:
    """Wait until nobody is connected; fails if somebody stays."""
    for _ in range(1000):
        if not gateway.state.connections:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("a call was not released")


@pytest.mark.parametrize("coding", [ULAW, ALAW])
async def test_a_turn_is_heard_and_answered(exchange: Gateway, coding: int) -> None:
    async with calling(port_of(exchange), coding) as call:
        call.says += tone(0.8, coding)
        await call.until(lambda: call.loud_s() > 0)
        await call.quiet()
        dialogue = exchange.told(line_of(exchange, call).session_id, Respond)[-1].dialogue
    assert dialogue[-1].text == "turn 1"
    assert abs(call.loud_s() - 4 * 0.4) < 0.1  # "I heard turn 1."
    await empty(exchange)


async def test_packets_are_numbered_without_holes(exchange: Gateway) -> None:
    async with calling(port_of(exchange)) as call:
        call.says += tone(0.6)
        await call.until(lambda: call.loud_s() > 1)
    numbers = [struct.unpack_from(">xBHII", packet) for packet in call.packets]
    assert all(len(packet) == 12 + 160 for packet in call.packets)
    assert {(b[1] - a[1]) % 2**16 for a, b in itertools.pairwise(numbers)} == {1}
    assert {(b[2] - a[2]) % 2**32 for a, b in itertools.pairwise(numbers)} == {160}
    assert len({number[3] for number in numbers}) == 1
    assert [bool(number[0] & 0x80) for number in numbers[:3]] == [True, False, False]


async def test_speaking_up_stops_the_sound_and_cuts_what_is_remembered(
    talkative_exchange: Gateway,
) -> None:
    async with calling(port_of(talkative_exchange)) as call:
        call.says += tone(0.6)
        await call.until(lambda: call.loud_s() > 1.2)
        call.says += tone(1.2)  # longer than what follows is watched
        await call.quiet(0.3)
        heard_s = call.loud_s()
        await call.until(lambda: call.loud_s() > heard_s)  # the next reply
        told = talkative_exchange.told(line_of(talkative_exchange, call).session_id, Respond)
    heard_words = sum(middle <= heard_s for middle in MIDDLES_S)
    assert 1 < heard_words < 8
    assert told[1].dialogue[-2].text == " ".join(f"word{i}" for i in range(heard_words))


async def test_keys_are_a_turn_however_they_come(exchange: Gateway) -> None:
    async with calling(port_of(exchange)) as call:
        keypad = line_of(exchange, call)._telephone.keypad
        call.press("4")
        await call.until(lambda: keypad._keys == "4")
        await call.ask("INFO", "Signal=2\r\nDuration=160\r\n")
        call.press("#")
        await call.until(lambda: call.loud_s() > 0)
        dialogue = exchange.told(line_of(exchange, call).session_id, Respond)[-1].dialogue
    assert dialogue[-1].text == "I pressed 42 on my telephone."


async def test_a_line_on_hold_is_silent_and_goes_on(talkative_exchange: Gateway) -> None:
    async with calling(port_of(talkative_exchange)) as call:
        call.says += tone(0.6)
        await call.until(lambda: call.loud_s() > 0.5)
        held = await call.ask("INVITE", call.sdp(a="sendonly"))
        assert "a=recvonly" in held.body
        await asyncio.sleep(0.1)
        before = len(call.packets)
        call.says += tone(0.6)  # music
        await asyncio.sleep(0.8)
        assert len(call.packets) == before
        back = await call.ask("UPDATE", call.sdp())
        assert back.status == 200
        assert "a=sendrecv" in back.body
        heard_s = call.loud_s()
        await call.until(lambda: call.loud_s() > heard_s + 0.5)
        told = talkative_exchange.told(line_of(talkative_exchange, call).session_id, Respond)
    assert len(told) == 1


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
    await empty(exchange)


async def test_lost_answers_come_again_and_copies_change_nothing(exchange: Gateway) -> None:
    await empty(exchange)
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
    await empty(exchange)


async def test_ipv4_phones_reach_a_server_that_listens_everywhere(start_sip: Start) -> None:
    with start_sip(host="[::]") as gateway:
        async with calling(port_of(gateway)) as call:
            call.says += tone(0.6)
            await call.until(lambda: call.loud_s() > 0)
        assert "c=IN IP4 127.0.0.1" in call.final("INVITE", 1)[0].body


@pytest.mark.parametrize("place", ["IN IP6 2001:db8::1", "IN IP4 127.0.0.1"])
async def test_sound_is_sent_before_any_has_come(exchange: Gateway, place: str) -> None:
    async with sip_phone(port_of(exchange)) as call:
        call.send(call.request("INVITE", call.sdp(c=place)))
        await call.until(lambda: bool(call.final("INVITE")))
        call.to = call.final("INVITE")[0].headers["to"]
        await call.until(lambda: len(call.packets) > 10)
        await call.ask("BYE")


async def test_a_place_that_nobody_sends_from_is_not_kept(exchange: Gateway) -> None:
    async with sip_phone(port_of(exchange)) as call:  # as behind a NAT
        media = f"audio 9 RTP/AVP {ULAW} 101"
        assert (await call.ask("INVITE", call.sdp(c="IN IP4 192.0.2.77", m=media))).status == 200
        call.says += tone(0.6)
        await call.until(lambda: call.loud_s() > 0)
        await call.ask("BYE")


async def test_instructions_may_come_with_the_call(exchange: Gateway) -> None:
    more = "X-Instructions: You are Grüezi, a receptionist.\r\n"
    async with calling(port_of(exchange), more=more) as call:
        call.press("#")
        await call.until(lambda: call.loud_s() > 0)
        dialogue = exchange.told(line_of(exchange, call).session_id, Respond)[-1].dialogue
    assert dialogue[0].text == "You are Grüezi, a receptionist."


async def test_the_server_can_hang_up(exchange: Gateway) -> None:
    async with calling(port_of(exchange)) as call:
        call.answers_requests = False  # the first BYE is lost
        line = line_of(exchange, call)
        loop = line._ending.get_loop()  # type: ignore[union-attr]
        loop.call_soon_threadsafe(line.hang_up)
        await call.until(lambda: len(call.asked("BYE")) >= 2)
        assert call.asked("BYE")[0].headers == call.asked("BYE")[1].headers
        call.reply(call.asked("BYE")[0], "200 OK")
    await empty(exchange)


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
    await empty(exchange)


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
        await empty(gateway)


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


async def test_sound_of_strangers_is_no_part_of_a_call(exchange: Gateway) -> None:
    async with calling(port_of(exchange)) as call:
        before = len(call.packets)
        loop = asyncio.get_running_loop()
        stranger, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.9", 0)
        )
        for piece in np.split(np.frombuffer(tone(0.8), np.uint8), 40):
            stranger.sendto(call.rtp(piece.tobytes(), ULAW, call.timestamp), call.media_to)
        await call.until(lambda: len(call.packets) > before + 40)
        assert not exchange.told(line_of(exchange, call).session_id, Respond)
        stranger.close()


async def test_a_phone_that_is_silent_when_nobody_speaks_is_answered(exchange: Gateway) -> None:
    async with calling(port_of(exchange)) as call:
        call.says += tone(0.6)
        await call.until(lambda: not call.says)
        media_to, call.media_to = call.media_to, None  # no packets any more
        await call.until(lambda: call.loud_s() > 1.0)
        call.media_to = media_to


async def test_a_taken_port_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with sip_phone(1) as call:
        config = SipConfig(f"{HERE}:{call.port}")
        with (
            pytest.raises(AssertionError, match="did not start"),
            running_gateway(tmp_path / "journal", settings={"sip": config}),
        ):
            pass
    assert f"cannot listen for SIP on {config.address}" in caplog.text
