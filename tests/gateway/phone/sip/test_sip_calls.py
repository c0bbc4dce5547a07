"""Calls over SIP from a simulated phone: turns, interruptions, keys, holding, where sound goes."""

from __future__ import annotations

import asyncio
import itertools
import struct

import numpy as np
import pytest
from gateway_calls import Gateway
from sip_lines import line_of, port_of
from sip_phone import ALAW, ULAW, calling, sip_phone, tone

from voiceserver.engine.messages import Respond

MIDDLES_S = [i * 0.4 + 0.175 for i in range(60)]  # of the scripted voice's words


@pytest.mark.parametrize("coding", [ULAW, ALAW])
async def test_a_turn_is_heard_and_answered(exchange: Gateway, coding: int) -> None:
    async with calling(port_of(exchange), coding) as call:
        call.says += tone(0.8, coding)
        await call.until(lambda: call.loud_s() > 0)
        await call.quiet()
        dialogue = exchange.told(line_of(exchange, call).session_id, Respond)[-1].dialogue
    assert dialogue[-1].text == "turn 1"
    assert abs(call.loud_s() - 4 * 0.4) < 0.1  # "I heard turn 1."
    await exchange.left()


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
    talkative: Gateway,
) -> None:
    async with calling(port_of(talkative)) as call:
        call.says += tone(0.6)
        await call.until(lambda: call.loud_s() > 1.2)
        call.says += tone(1.2)  # longer than what follows is watched
        await call.quiet(0.3)
        heard_s = call.loud_s()
        await call.until(lambda: call.loud_s() > heard_s)  # the next reply
        told = talkative.told(line_of(talkative, call).session_id, Respond)
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


async def test_a_line_on_hold_is_silent_and_goes_on(talkative: Gateway) -> None:
    async with calling(port_of(talkative)) as call:
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
        told = talkative.told(line_of(talkative, call).session_id, Respond)
    assert len(told) == 1


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
