"""Calls in the dialects of other providers, message by message as their documentation has them."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest
from gateway_calls import Gateway
from twilio_network import tone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from voiceserver.audio import g711
from voiceserver.engine.messages import Respond

STREAM = "87654321-4321-4321-4321-cba987654321"
START: dict[str, dict[str, Any]] = {
    "telnyx": {
        "event": "start",
        "sequence_number": "1",
        "stream_id": STREAM,
        "start": {
            "user_id": "3E6F995F",
            "call_control_id": "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
            "custom_parameters": {"instructions": "Be brief."},
            "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1},
        },
    },
    "plivo": {
        "event": "start",
        "sequenceNumber": 1,
        "start": {
            "callId": "12345678-1234-1234-1234-123456789abc",
            "streamId": STREAM,
            "accountId": "MA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
        "extra_headers": "userId=12345;instructions=Be brief.",
    },
}


def voice(provider: str, sound: bytes) -> str:
    """A piece of the caller's voice, given in mu-law."""
    if provider == "telnyx":
        sound = g711.pcm16_to_alaw(g711.ulaw_to_pcm16(sound))
    media = {"track": "inbound", "chunk": "2", "payload": base64.b64encode(sound).decode()}
    return json.dumps({"event": "media", "media": media})


async def until(socket: ClientConnection, event: str) -> list[dict[str, Any]]:
    """What comes, up to the next message of this kind."""
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["event"] != event:
        messages.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
    return messages


async def spoken_turn(socket: ClientConnection, provider: str) -> None:
    """Faster than real time."""
    sound = tone(0.6) + bytes([0xFF]) * 8000
    for at in range(0, len(sound), 160):
        await socket.send(voice(provider, sound[at : at + 160]))


def check_sound(provider: str, media: dict[str, Any]) -> None:
    """The assistant's voice, in the coding of the stream and as the provider spells it."""
    if provider == "plivo":
        assert media["event"] == "playAudio"
        assert media["media"]["contentType"] == "audio/x-mulaw"
        assert media["media"]["sampleRate"] == 8000
    else:
        assert media == {"event": "media", "media": {"payload": media["media"]["payload"]}}
    data = base64.b64decode(media["media"]["payload"])
    decode = g711.ulaw_to_pcm16 if provider == "plivo" else g711.alaw_to_pcm16
    sound = decode(data).astype(float)
    assert 7000 < np.abs(sound).max() < 9000  # the scripted voice: 220 Hz, amplitude 8000
    assert np.median(np.abs(np.diff(sound))) < 1500  # in the other coding it is rugged


@pytest.mark.parametrize("provider", ["telnyx", "plivo"])
async def test_a_call(talkative: Gateway, provider: str) -> None:
    sound, mark, played, clear = {
        "telnyx": ("media", "mark", "mark", "clear"),
        "plivo": ("playAudio", "checkpoint", "playedStream", "clearAudio"),
    }[provider]
    async with connect(f"ws://127.0.0.1:{talkative.port}/v1/phone/{provider}") as socket:
        await socket.send(json.dumps(START[provider]))
        await spoken_turn(socket, provider)
        heard_s = 0.0
        while heard_s < 1.8:  # four words: of less the reply would be taken back
            [*_, media] = await until(socket, sound)
            heard_s += len(base64.b64decode(media["media"]["payload"])) / 8000
            check_sound(provider, media)
            [*_, marked] = await until(socket, mark)
            assert marked.get("streamId") == (STREAM if provider == "plivo" else None)
            await socket.send(json.dumps(marked | {"event": played}))
        await until(socket, sound)  # of which no mark comes back
        line = await talkative.only_line()
        await spoken_turn(socket, provider)
        [*_, cleared] = await until(socket, clear)
        assert cleared == {"event": clear} | ({"streamId": STREAM} if provider == "plivo" else {})
        await until(socket, sound)  # the next reply
        first, second = talkative.told(line.session_id, Respond)
        assert first.dialogue[0].text == "Be brief."
        middles = [(i * 0.4 + i * 0.4 + 0.35) / 2 for i in range(60)]
        heard = sum(middle <= heard_s for middle in middles)
        assert second.dialogue[-2].text == " ".join(f"word{i}" for i in range(heard))


@pytest.mark.parametrize("provider", ["telnyx", "plivo"])
async def test_the_key_opens(start: Any, provider: str) -> None:
    with start(api_key="secret") as gateway:
        url = f"ws://127.0.0.1:{gateway.port}/v1/phone/{provider}"
        with pytest.raises(InvalidStatus):
            async with connect(url):
                pass
        async with connect(f"{url}?api_key=secret") as socket:
            await socket.send(json.dumps({"event": "stop"}))
            await socket.send(json.dumps(START[provider]))
            await socket.send(json.dumps({"event": "dtmf", "dtmf": {"digit": "#"}}))
            await until(socket, "media" if provider == "telnyx" else "playAudio")
            await socket.send(json.dumps({"event": "stop"}))
            await asyncio.wait_for(socket.wait_closed(), 20)
