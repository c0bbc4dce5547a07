"""Who gets in, how a session ends, and what happens when something breaks."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import httpx
import pytest
from gateway_calls import Gateway
from live_calls import AUDIO, HEARD, LiveCaller, live_call
from openai import AsyncOpenAI, NotFoundError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voiceserver.gateway.live import connection

BAD_EVENTS: list[tuple[str, str, str | None]] = [
    ("not json", "invalid_json", None),
    ("[1, 2]", "invalid_event", None),
    ('{"type": "session.explode"}', "invalid_value", "type"),
    ('{"type": "session.input_audio.append"}', "missing_required_parameter", "audio"),
    ('{"type": "session.input_audio.append", "audio": "@@@"}', "invalid_value", "audio"),
    ('{"type": "session.input_audio.append", "audio": "AAAA"}', "invalid_event", None),
    (
        '{"type": "session.thinking.append", "delegation_id": null}',
        "missing_required_parameter",
        "content",
    ),
    ('{"type": "session.output_audio.fixture.play", "audio": ""}', "invalid_value", "audio"),
    ('{"type": "session.start", "session": {"model": "x"}}', "session_already_started", None),
]
BAD_STARTS: list[tuple[dict[str, Any], str]] = [
    ({}, "session.model"),
    ({"model": "x", "audio": {"format": {"type": "audio/pcm", "rate": 8000}}}, "rate"),
    ({"model": "x", "audio": {"format": {"type": "audio/pcmu", "rate": 16000}}}, "rate"),
    ({"model": "x", "delegation": {"type": "decisions"}}, "session.delegation.type"),
    ({"model": "x", "triggers": [{"type": "decisions"}]}, "session.triggers"),
    ({"model": "x", "input": [{"role": "user", "content": []}]}, "content"),
    (
        {
            "model": "x",
            "delegation": {"type": "responses", "responses": {"tools": [{"type": "web_search"}]}},
        },
        "type",
    ),
]


async def test_bad_events_are_answered_one_by_one(gateway: Gateway) -> None:
    async with live_call(gateway) as caller:
        for text, code, param in BAD_EVENTS:
            await caller.socket.send(text)
            error = await failure(caller)
            assert (error["code"], error.get("param")) == (code, param), text
        await caller.speak()
        await caller.until(HEARD)


async def test_a_session_begins_with_session_start(gateway: Gateway) -> None:
    async with connect(url(gateway)) as socket:
        caller = LiveCaller(socket)
        await caller.send("session.input_audio.mute")
        assert (await failure(caller))["code"] == "session_not_started"
        for session, param in BAD_STARTS:
            await caller.send("session.start", session=session, event_id="s")
            error = await failure(caller)
            assert error["param"].endswith(param), error
            assert error["client_event_id"] == "s"
        session = await caller.start(instructions="  ", store=True)
        assert session["store"] is False
        assert session["instructions"]
        assert (await caller.until("info"))["code"] == "not_stored"


async def test_who_does_not_start_is_sent_away(gateway: Gateway, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(connection, "START_S", 0.1)
    async with connect(url(gateway)) as socket:
        caller = LiveCaller(socket)
        assert (await failure(caller))["code"] == "session_not_started"
        with pytest.raises(ConnectionClosed):
            await caller.next()


async def test_only_the_key_opens_the_door(start) -> None:  # type: ignore[no-untyped-def]
    with start(api_key="secret") as gateway:
        headers = {"Authorization": "Bearer secret"}
        subprotocols: Any = ["realtime", "openai-insecure-api-key.secret"]
        for options in ({"additional_headers": headers}, {"subprotocols": subprotocols}):
            async with connect(url(gateway), **options) as socket:
                await LiveCaller(socket).start()
        alias = url(gateway).replace("/v1/", "/openai/v1/")
        async with connect(alias, additional_headers={"api-key": "secret"}) as socket:
            await LiveCaller(socket).start()
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url(gateway)):
                pass
        assert refused.value.response.status_code == 401


async def test_a_session_ends_at_its_longest(start) -> None:  # type: ignore[no-untyped-def]
    with start(session_s=0.4) as gateway:
        async with live_call(gateway) as caller:
            event = await caller.until("session.closed")
            assert event["reason"] == "expired"
            assert 0 < event["usage"]["seconds"] < 1
            with pytest.raises(ConnectionClosed):
                await caller.next()
            assert caller.socket.close_code == 1000


async def test_a_session_is_hung_up_from_outside_and_what_is_not_here_is_not_found(
    gateway: Gateway,
) -> None:
    client = AsyncOpenAI(base_url=f"{gateway.http}/v1", api_key="none", max_retries=0)
    async with live_call(gateway) as caller:
        session_id = caller.events[0]["session"]["id"]
        await client.live.sessions.hangup(session_id)
        assert (await caller.until("session.closed"))["reason"] == "close_requested"
        with pytest.raises(NotFoundError):
            await client.live.sessions.hangup("sess_none")
        with pytest.raises(NotFoundError):
            await client.live.sessions.download_recording(session_id)
        transport: Any = {"type": "webrtc", "sdp": "v=0"}
        with pytest.raises(NotFoundError):
            await client.live.create(session={"model": "x"}, transport=transport)
    await client.close()


async def test_usage_is_told_now_and_then(gateway: Gateway, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("voiceserver.gateway.live.call.USAGE_EVERY_S", 0.4)
    async with live_call(gateway) as caller:
        seconds = [(await caller.until("session.usage.updated"))["usage"] for _ in range(3)]
        for told, least in zip(seconds, (0.4, 0.8, 1.2), strict=True):
            assert told["seconds"] >= least


async def test_a_killed_engine_is_replaced_while_the_stream_goes_on(start) -> None:  # type: ignore[no-untyped-def]
    with start() as gateway:
        async with live_call(gateway) as caller:
            await caller.send("session.commentary.append", content="long", delegation_id=None)
            await caller.transcript(2)
            os.kill(gateway.state.services.engine.pid or 0, signal.SIGKILL)
            assert (await failure(caller))["code"] == "engine_restarted"
            for _ in range(100):  # sound in every moment
                await caller.listen(0.1)
                if gateway.state.services.engine.ready is not None:
                    break
            await caller.listen(0.5)
            await caller.speak()
            await caller.until(HEARD)


async def test_a_slow_reader_loses_sound_and_is_told_once(gateway: Gateway, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(connection, "MOST_UNREAD_S", 0.0)  # as if nothing were ever read in time
    async with live_call(gateway) as caller:
        await caller.speak()
        await caller.until(HEARD)
        assert AUDIO not in [event["type"] for event in caller.events]
        codes = [event["code"] for event in caller.events if event["type"] == "info"]
        assert codes == ["output_audio_dropped"]


async def test_a_server_that_stops_finishes_what_is_being_said(start) -> None:  # type: ignore[no-untyped-def]
    with start() as gateway:
        async with live_call(gateway) as caller:
            await caller.speak()
            text = await caller.transcript(1)
            gateway.server.handle_exit(signal.SIGTERM, None)
            assert text + await caller.transcript(3) == "I heard turn 1."
            with pytest.raises(ConnectionClosed):
                await caller.listen(60.0)
            assert caller.socket.close_code == 1012  # not closed for good: come again


async def test_an_abrupt_disconnect_frees_its_place(gateway: Gateway) -> None:
    async with live_call(gateway) as caller:
        await caller.speak()
        caller.socket.transport.abort()
    for _ in range(250):
        if not gateway.state.connections:
            break
        await asyncio.sleep(0.02)
    assert not gateway.state.connections


async def test_health_knows_of_live_sessions(gateway: Gateway) -> None:
    async with live_call(gateway), httpx.AsyncClient(base_url=gateway.http) as client:
        assert (await client.get("/health")).json()["sessions"] >= 1


def url(gateway: Gateway) -> str:
    return f"ws://127.0.0.1:{gateway.port}/v1/live/sessions"


async def failure(caller: LiveCaller) -> dict[str, Any]:
    """The next error."""
    while True:
        event = await caller.next()
        if event["type"] == "error":
            error: dict[str, Any] = event["error"]
            return error
