"""Calls over media streams: turns, interruptions, keys, hanging up, and nonsense."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import numpy as np
import pytest
from gateway_calls import Gateway
from twilio_network import Call, calling, tone
from websockets.exceptions import InvalidStatus

from voiceserver.audio import g711
from voiceserver.engine.messages import Cancel, ChatMessage, Respond

BYTES_A_WORD = 3200  # the scripted voice speaks a word in 0.4 s


async def test_a_turn_is_heard_and_answered(gateway: Gateway) -> None:
    async with calling(gateway.port, paced=False) as call:
        await call.begin(instructions="Speak like a pirate.")
        running = asyncio.create_task(call.run())
        call.says += tone(0.8)
        await call.until(lambda c: c.sounds() > 0)
        await call.quiet()
        session = await gateway.only_id()
        running.cancel()
    dialogue = gateway.told(session, Respond)[-1].dialogue
    assert [m.text for m in dialogue] == ["Speak like a pirate.", "turn 1"]
    seconds = len(call.heard) / 8000
    assert abs(seconds - 4 * 0.4) < 0.1  # "I heard turn 1."
    sound = g711.ulaw_to_pcm16(bytes(call.heard)).astype(float)
    assert np.sqrt(np.mean(sound**2)) > 1000
    pieces = [m["media"]["payload"] for m in call.received if m["event"] == "media"]
    assert all(len(piece) <= 4 * 800 / 3 + 4 for piece in pieces)
    assert [m["event"] for m in call.received] == ["media", "mark"] * len(pieces)  # and no clear


async def test_speaking_up_clears_and_cuts_what_is_remembered(talkative: Gateway) -> None:
    async with calling(talkative.port) as call:
        call.says += tone(0.6)
        await call.until(lambda c: len(c.heard) >= 3 * BYTES_A_WORD)
        call.says += tone(0.4)
        await call.until(lambda c: c.heard_when_cleared)
        after_clear = call.received.index(next(m for m in call.received if m["event"] == "clear"))
        await call.until(lambda c: c.sounds_since_clear() > 0)  # the next reply
        session = await talkative.only_id()
        await call.hang_up()
        await asyncio.wait_for(call.socket.wait_closed(), 20)
        assert call.socket.close_code == 1000
    first, second = talkative.told(session, Respond)
    assert after_clear > 0
    assert talkative.told(session, Cancel)[0].epoch == first.epoch
    said = second.dialogue[-2]
    assert said.role == "assistant"
    words = said.text.split()
    heard_words = call.heard_when_cleared[0] / BYTES_A_WORD
    assert words == [f"word{i}" for i in range(len(words))]
    assert heard_words - 1.5 <= len(words) <= heard_words + 0.6


async def test_nothing_of_a_cleared_reply_follows(talkative: Gateway) -> None:
    async with calling(talkative.port) as call:
        call.says += tone(0.6)
        await call.until(lambda c: c.sounds() > 3)
        call.says += tone(0.8)  # longer than what follows is watched
        await call.until(lambda c: c.heard_when_cleared)
        await asyncio.sleep(0.4)
        assert call.received[-1]["event"] == "clear"
        assert [m["event"] for m in call.received].count("clear") == 1


async def test_marks_are_believed_and_not_the_clock(talkative: Gateway) -> None:
    async with calling(talkative.port, marks=28) as call:
        call.says += tone(0.6)
        await call.until(lambda c: len(c.heard) > 9 * BYTES_A_WORD)
        assert call.marks_left == 0
        call.says += tone(0.4)
        await call.until(lambda c: c.heard_when_cleared)
        await call.until(lambda c: c.sounds_since_clear() > 0)
        session = await talkative.only_id()
    remembered: ChatMessage = talkative.told(session, Respond)[-1].dialogue[-2]
    marks = [i for i, m in enumerate(call.received) if m["event"] == "mark"]
    told_bytes = sum(
        len(m["media"]["payload"]) * 3 // 4
        for m in call.received[: marks[27]]
        if m["event"] == "media"
    )
    middles = [(i * 0.4 + i * 0.4 + 0.35) / 2 for i in range(60)]
    most = sum(middle <= told_bytes / 8000 for middle in middles)
    assert 3 < most < 9  # of less the reply would be taken back
    assert remembered.text == " ".join(f"word{i}" for i in range(most))


async def test_keys_are_a_turn(gateway: Gateway) -> None:
    async with calling(gateway.port) as call:
        await call.press("42#")
        await call.until(lambda c: c.sounds() > 0)
        session = await gateway.only_id()
        await call.press("7")  # while it speaks; a pause ends the entry
        await call.until(lambda c: c.heard_when_cleared)
        await call.until(lambda c: c.sounds_since_clear() > 0)
    replies = gateway.told(session, Respond)
    assert replies[0].dialogue[-1].text == "I pressed 42 on my telephone."
    assert replies[1].dialogue[-1].text == "I pressed 7 on my telephone."
    assert len(gateway.told(session, Cancel)) == 1


NONSENSE = [
    "",
    "{",
    "[]",
    "null",
    '"media"',
    "[" * 100_000,
    b"\x00\xff\xfe",
    '{"event": 3}',
    '{"event": "media"}',
    '{"event": "media", "media": 5}',
    '{"event": "media", "media": {"payload": 5}}',
    '{"event": "media", "media": {"payload": "not base64!"}}',
    '{"event": "media", "media": {"payload": ""}}',
    '{"event": "media", "media": {"payload": "/w==", "track": "outbound"}}',
    '{"event": "mark"}',
    '{"event": "mark", "mark": {"name": ["x"]}}',
    '{"event": "mark", "mark": {"name": "never sent"}}',
    '{"event": "dtmf", "dtmf": {"digit": "what"}}',
    '{"event": "dtmf", "dtmf": {}}',
    '{"event": "start", "start": {"streamSid": 1}}',
    '{"event": "start", "start": {"streamSid": "a", "mediaFormat": {"encoding": "audio/opus"}}}',
    '{"event": "of tomorrow", "new": {}}',
]


async def test_nonsense_is_survived(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    counted = gateway.state.services.metrics.errors.labels("invalid_event")
    before = counted._value.get()
    async with calling(gateway.port, paced=False) as call:
        for frame in NONSENSE:  # before the stream has started
            await call.socket.send(frame)
        await call.begin(instructions="")
        for frame in NONSENSE:
            await call.socket.send(frame)
        await call.voice(b"\x7f")  # one sample
        running = asyncio.create_task(call.run())
        call.says += tone(0.6)
        await call.until(lambda c: c.sounds() > 0)
        running.cancel()
    assert counted._value.get() - before >= len(NONSENSE)
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_hanging_up_at_any_time_frees_the_place(gateway: Gateway) -> None:
    async def at_once(call: Call) -> None:
        pass

    async def while_speaking(call: Call) -> None:
        call.says += tone(2.0)
        await asyncio.sleep(0.3)

    async def in_the_middle_of_keys(call: Call) -> None:
        await call.press("12")

    async def while_it_speaks(call: Call) -> None:
        await call.press("1#")
        await call.until(lambda c: c.sounds() > 0)

    for moment in (at_once, while_speaking, in_the_middle_of_keys, while_it_speaks):
        for politely in (True, False):
            async with calling(gateway.port) as call:
                await moment(call)
                if politely:
                    await call.hang_up()
                else:
                    call.socket.transport.abort()
    for _ in range(150):
        if not gateway.state.connections:
            break
        await asyncio.sleep(0.02)
    assert not gateway.state.connections
    assert not gateway.state.services.engine._listeners


async def test_limits_hold_for_calls(start: Any) -> None:
    with start(sessions=1, session_s=1.5) as gateway:
        async with calling(gateway.port) as call:
            with pytest.raises(InvalidStatus) as refused:
                async with calling(gateway.port):
                    pass
            assert refused.value.response.status_code == 429
            assert json.loads(refused.value.response.body)["error"]["code"]
            await asyncio.wait_for(call.socket.wait_closed(), 20)
            assert call.socket.close_code == 1001  # longer than a session may last
