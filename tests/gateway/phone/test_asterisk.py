"""Calls over Asterisk's WebSocket channel."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import Any

import pytest
from asterisk_channel import dialled
from gateway_calls import Gateway
from twilio_network import tone
from websockets.exceptions import InvalidStatus

from voiceserver.engine.messages import Respond
from voiceserver.gateway.phone.asterisk import AsteriskCall

BYTES_A_WORD = 3200  # the scripted voice speaks a word in 0.4 s


async def test_a_turn_is_heard_and_answered(gateway: Gateway) -> None:
    async with dialled(gateway.port, "?instructions=Be%20brief.") as call:
        call.says += tone(0.8)
        await call.until(lambda: call.sounds() > 0)
        await call.quiet()
        dialogue = gateway.told(await gateway.only_id(), Respond)[-1].dialogue
    assert [m.text for m in dialogue] == ["Be brief.", "turn 1"]
    assert abs(len(call.heard) / 8000 - 4 * 0.4) < 0.1  # "I heard turn 1."
    assert call.commands() == ["START_MEDIA_BUFFERING", "STOP_MEDIA_BUFFERING"]


async def test_speaking_up_flushes_and_cuts_what_is_remembered(talkative: Gateway) -> None:
    async with dialled(talkative.port) as call:
        call.says += tone(0.6)
        await call.until(lambda: len(call.heard) >= 3 * BYTES_A_WORD)
        call.says += tone(0.6)
        await call.until(lambda: "FLUSH_MEDIA" in call.commands())
        heard_words = len(call.heard) / BYTES_A_WORD
        await asyncio.sleep(0.2)
        assert call.sounds_since_flush() == 0  # nothing of that reply follows
        await call.until(lambda: call.sounds_since_flush() > 0)
        said = talkative.told(await talkative.only_id(), Respond)[-1].dialogue[-2]
    words = said.text.split()
    assert words == [f"word{i}" for i in range(len(words))]
    assert heard_words - 1.5 <= len(words) <= heard_words + 1.0
    assert call.commands() == ["START_MEDIA_BUFFERING", "FLUSH_MEDIA", "START_MEDIA_BUFFERING"]


async def test_keys_are_a_turn(gateway: Gateway) -> None:
    async with dialled(gateway.port) as call:
        for key in "42#":
            await call.socket.send(f"DTMF_END digit:{key}")
        await call.until(lambda: call.sounds() > 0)
        dialogue = gateway.told(await gateway.only_id(), Respond)[-1].dialogue
    assert dialogue[-1].text == "I pressed 42 on my telephone."


NONSENSE = [
    "",
    " ",
    "DTMF_END",
    "DTMF_END digit:",
    "DTMF_END digit:what",
    "MEDIA_START",
    "MEDIA_XOFF",
    "OF_TOMORROW a b:c d:e:f",
    "{}",
    b"",
]


async def test_nonsense_is_survived(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    async with dialled(gateway.port) as call:
        for message in NONSENSE:
            await call.socket.send(message)
        call.says += tone(0.6)
        await call.until(lambda: call.sounds() > 0)
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_the_server_can_hang_up(gateway: Gateway) -> None:
    async with dialled(gateway.port) as call:
        call.says += tone(0.6)
        await call.until(lambda: call.sounds() > 0)
        line = await gateway.only_line()
        assert isinstance(line, AsteriskCall)
        line._ending.get_loop().call_soon_threadsafe(line.hang_up)  # type: ignore[union-attr]
        await call.until(lambda: call.commands()[-1:] == ["HANGUP"])
        await asyncio.wait_for(call.socket.wait_closed(), 20)


async def test_limits_and_keys_hold(start: Any) -> None:
    with start(api_key="secret", session_s=0.5) as gateway:
        with pytest.raises(InvalidStatus):
            async with dialled(gateway.port):
                pass
        wrong = {"Authorization": "Basic bm90IGJhc2U2NA"}  # no padding
        with pytest.raises(InvalidStatus):
            async with dialled(gateway.port, additional_headers=wrong):
                pass
        password = base64.b64encode(b"voiceserver:secret").decode()
        right = {"Authorization": f"Basic {password}"}
        async with dialled(gateway.port, additional_headers=right) as call:
            await call.until(lambda: call.commands() == ["HANGUP"])  # longer than it may last
            await asyncio.wait_for(call.socket.wait_closed(), 20)
