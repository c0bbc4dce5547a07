"""Calls over AudioSocket: turns, interruptions, keys, hanging up, and nonsense."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import numpy as np
import pytest
from asterisk_line import DTMF, HANGUP, SLIN8, SLIN16, UUID, dialling, tone
from gateway_calls import Gateway, free_port, running_gateway

from voiceserver.config import host_and_port
from voiceserver.engine.messages import Respond
from voiceserver.errors import VoiceserverError

MIDDLES_S = [(i * 0.4 + i * 0.4 + 0.35) / 2 for i in range(60)]  # of the scripted voice's words


def port_of(gateway: Gateway) -> int:
    return int(gateway.state.config.audiosocket.rpartition(":")[2])  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "rate_hz"), [(SLIN8, 8000), (SLIN16, 16000)])
async def test_a_turn_is_heard_and_answered(exchange: Gateway, kind: int, rate_hz: int) -> None:
    async with dialling(port_of(exchange), kind=kind) as call:
        call.says += tone(0.8, rate_hz)
        await call.until(lambda: bool(call.heard))
        await call.quiet()
        dialogue = exchange.told(await exchange.only_id(), Respond)[-1].dialogue
    assert dialogue[-1].text == "turn 1"
    sound = np.frombuffer(b"".join(call.heard), "<i2")
    assert abs(len(sound) / rate_hz - 4 * 0.4) < 0.1  # "I heard turn 1."
    assert np.sqrt(np.mean(sound.astype(float) ** 2)) > 1000


async def test_sound_goes_out_as_fast_as_it_is_played(talkative: Gateway) -> None:
    async with dialling(port_of(talkative)) as call:
        call.says += tone(0.6)
        await call.until(lambda: len(call.heard) >= 75)
    # Pieces of the engine are four frames long: sent as they come, three of four gaps are none.
    assert sum(gap > 0.01 for gap in np.diff(call.times_s)) > 0.5 * len(call.heard)


async def test_speaking_up_stops_the_sound_and_cuts_what_is_remembered(talkative: Gateway) -> None:
    async with dialling(port_of(talkative)) as call:
        call.says += tone(0.6)
        await call.until(lambda: len(call.heard) >= 60)
        call.says += tone(1.2)  # longer than what follows is watched
        await call.quiet(0.3)
        heard_s = len(call.heard) * 0.02
        await call.until(lambda: len(call.heard) * 0.02 > heard_s)  # the next reply
        first, second = talkative.told(await talkative.only_id(), Respond)
    assert first.dialogue[-1].text == "long turn 1"
    heard_words = sum(middle <= heard_s for middle in MIDDLES_S)
    assert 1 < heard_words < 8
    assert second.dialogue[-2].text == " ".join(f"word{i}" for i in range(heard_words))


async def test_keys_are_a_turn(exchange: Gateway) -> None:
    async with dialling(port_of(exchange)) as call:
        for key in b"42#":
            call.send(DTMF, bytes([key]))
        await call.until(lambda: bool(call.heard))
        dialogue = exchange.told(await exchange.only_id(), Respond)[-1].dialogue
    assert dialogue[-1].text == "I pressed 42 on my telephone."


async def test_nonsense_is_survived(exchange: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    async with dialling(port_of(exchange)) as call:
        call.send(DTMF)
        call.send(DTMF, b"what")
        call.send(SLIN8)
        call.send(SLIN8, b"\0")  # half a sample
        call.send(0xFF, b"\x02")
        call.send(0x7A, b"of tomorrow")
        call.send(UUID, b"again")
        call.says += tone(0.6)
        await call.until(lambda: bool(call.heard))
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize("first", [b"\x10\0\x02ab", b"\x01\0\x03abc", b"GET / HTTP/1.1\r\n\r\n"])
async def test_who_does_not_begin_with_a_uuid_is_no_call(exchange: Gateway, first: bytes) -> None:
    await exchange.left()
    async with dialling(port_of(exchange), polite=False) as call:
        call.writer.write(first)
        if first.startswith(b"GET"):
            call.writer.write_eof()
        await asyncio.wait_for(call.hung_up.wait(), 20)
    assert not exchange.state.connections


async def test_hanging_up_at_any_time_frees_the_place(exchange: Gateway) -> None:
    for moment in range(3):
        for politely in (True, False):
            async with dialling(port_of(exchange)) as call:
                if moment == 1:
                    call.says += tone(2.0)
                    await asyncio.sleep(0.3)
                if moment == 2:
                    call.send(DTMF, b"1")
                    call.send(DTMF, b"#")
                    await call.until(lambda call=call: bool(call.heard))  # type: ignore[misc]
                    call.send(DTMF, b"2")
                if politely:
                    call.send(HANGUP)
                    await asyncio.wait_for(call.hung_up.wait(), 20)
    await exchange.left()
    assert not exchange.state.services.engine._listeners


async def test_limits_hold_for_calls(tmp_path: Path) -> None:
    settings = {"audiosocket": f"127.0.0.1:{free_port()}"}
    journal = tmp_path / "journal"
    with running_gateway(journal, settings=settings, sessions=1, session_s=1.5) as gateway:
        async with dialling(port_of(gateway)) as call:
            await call.until(lambda: bool(gateway.state.connections))
            async with dialling(port_of(gateway)) as refused:
                await asyncio.wait_for(refused.hung_up.wait(), 20)
            assert not call.hung_up.is_set()
            await asyncio.wait_for(call.hung_up.wait(), 20)  # longer than a session may last


def test_a_taken_port_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(AssertionError, match="did not start"),
            running_gateway(tmp_path / "journal", settings={"audiosocket": address}),
        ):
            pass
    assert f"cannot listen for AudioSocket on {address}" in caplog.text


@pytest.mark.parametrize("address", ["9092", ":9092", "host:", "host:x", "host:70000"])
def test_an_address_has_a_host_and_a_port(address: str) -> None:
    with pytest.raises(VoiceserverError, match="HOST:PORT"):
        host_and_port(address)


def test_an_address_may_be_ipv6() -> None:
    assert host_and_port("[::1]:9092") == ("::1", 9092)
