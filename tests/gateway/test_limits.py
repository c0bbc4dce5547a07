"""Bad input and limits: a clear error or nothing, and the session lives on."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import numpy as np
import pytest
from gateway_calls import Gateway, silence, tone
from websockets.exceptions import ConnectionClosed, InvalidStatus

BAD_EVENTS: list[tuple[str, str, str | None]] = [
    ("not json", "invalid_json", None),
    ("[1, 2]", "invalid_event", None),
    ('{"type": "session.explode"}', "invalid_value", "type"),
    ('{"event_id": "e"}', "missing_required_parameter", "type"),
    ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": 7}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "@@@"}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.commit"}', "input_audio_buffer_commit_empty", None),
    (
        '{"type": "conversation.item.retrieve", "item_id": "x"}',
        "item_retrieve_invalid_item_id",
        "item_id",
    ),
    (
        '{"type": "conversation.item.delete", "item_id": "x"}',
        "item_delete_invalid_item_id",
        "item_id",
    ),
    (
        '{"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 5}',
        "item_truncate_invalid_item_id",
        "item_id",
    ),
    (
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "user"}}',
        "missing_required_parameter",
        "item.content",
    ),
    ('{"type": "conversation.item.create", "item": {}}', "invalid_value", "item.type"),
    (
        '{"type": "conversation.item.create", "previous_item_id": "x", "item": '
        '{"type": "message", "role": "user", "content": []}}',
        "invalid_value",
        "previous_item_id",
    ),
    ('{"type": "response.cancel"}', "response_cancel_not_active", None),
    (
        '{"type": "response.create", "response": {"metadata": {"a": 1}}}',
        "invalid_value",
        "response.metadata.a",
    ),
    (
        '{"type": "response.create", "response": {"input": [{"type": "item_reference"}]}}',
        "invalid_value",
        "response.input.0.id",
    ),
]


async def test_bad_events_are_answered_one_by_one(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        for text, code, param in BAD_EVENTS:
            await caller.socket.send(text)
            error = (await caller.until("error"))["error"]
            assert (error["code"], error["param"]) == (code, param), text
        await caller.settings()


async def test_a_used_item_id_is_refused(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.write("a", id="same")
        with pytest.raises(AssertionError, match="item_create_duplicate_item_id"):
            await caller.write("b", id="same")


async def test_a_frame_past_the_limit_closes_only_its_own_socket(gateway: Gateway) -> None:
    async with gateway.call() as other, gateway.call() as caller:
        try:
            await caller.socket.send("x" * 20 * 2**20)
            await caller.socket.recv()
        except ConnectionClosed:
            pass
        assert caller.socket.close_code == 1009
        await other.settings()


async def test_audio_a_hundred_times_too_fast_is_taken(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.append(np.concatenate([silence(20), tone(1), silence(10)]))
        await caller.until("response.done")


async def test_more_audio_than_the_backlog_holds_is_refused_once(start) -> None:  # type: ignore[no-untyped-def]
    with start(backlog_s=2.0) as gateway:
        async with gateway.call() as caller:
            audio = base64.b64encode(silence(3.0).tobytes()).decode()
            for _ in range(5):
                await caller.send("input_audio_buffer.append", audio=audio)
            error = (await caller.until("error"))["error"]
            assert error["code"] == "input_audio_buffer_overflow"
            assert not await caller.nothing_more()
            await caller.speak(0.5, 0.8)
            await caller.until("response.done")


async def test_extreme_samples_are_harmless(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        rng = np.random.default_rng(3)
        square = np.where(np.arange(24000) % 2, 32767, -32768).astype(np.int16)
        noise = rng.integers(-32768, 32767, 24000, endpoint=True).astype(np.int16)
        await caller.append(np.concatenate([square, noise, silence(0.8)]))
        await caller.until("input_audio_buffer.committed")
        await caller.settings()


async def test_too_many_sessions_are_refused_before_the_socket_opens(start) -> None:  # type: ignore[no-untyped-def]
    with start(sessions=1) as gateway:
        async with gateway.call():
            with pytest.raises(InvalidStatus) as refused:
                async with gateway.call():
                    pass
            assert refused.value.response.status_code == 429
            body = json.loads(refused.value.response.body)
            assert body["error"]["code"] == "session_limit_reached"
            assert "1 sessions" in body["error"]["message"]
        async with gateway.call():  # the place is free again
            pass


async def test_a_session_ends_at_its_longest(start) -> None:  # type: ignore[no-untyped-def]
    with start(session_s=0.3) as gateway:
        async with gateway.call() as caller:
            error = (await caller.until("error"))["error"]
            assert error["code"] == "session_expired"
            with pytest.raises(ConnectionClosed):
                await caller.next()


async def _dropped_pieces(client: httpx.AsyncClient) -> float:
    """Of all callers so far, by the gateway's own count."""
    [line] = [
        line
        for line in (await client.get("/metrics")).text.splitlines()
        if line.startswith("voiceserver_audio_dropped_pieces_total ")
    ]
    return float(line.split()[1])


async def test_a_slow_reader_loses_audio_and_is_told_once(gateway: Gateway) -> None:
    async with gateway.call(max_queue=1) as caller:
        await caller.write("flood")  # ten minutes of speech in an instant
        async with httpx.AsyncClient(base_url=gateway.http) as client:
            before = await _dropped_pieces(client)
            await caller.send("response.create")
            for _ in range(150):
                if await _dropped_pieces(client) > before:
                    break
                await asyncio.sleep(0.1)
        while (await caller.next())["type"] != "response.done":
            pass
        errors = [e["error"]["code"] for e in caller.events if e["type"] == "error"]
        assert errors == ["output_audio_dropped"]
        response = caller.events[-1]["response"]
        assert 0 < caller.audio_bytes(response["id"]) < 600 * 48000 - 4000
        assert response["output"][0]["content"][0]["transcript"].endswith("word1499.")


async def test_an_abrupt_disconnect_frees_its_place(gateway: Gateway) -> None:
    for steps in range(6):
        async with gateway.call() as caller:
            if steps > 0:
                await caller.append(tone(0.5))
            if steps > 1:
                await caller.send("input_audio_buffer.commit")
            if steps > 2:
                await caller.send("response.create")
            if steps > 3:
                await caller.until("response.output_audio.delta")
            caller.socket.transport.abort()
    for _ in range(100):
        if not gateway.state.connections:
            break
        await asyncio.sleep(0.02)
    assert not gateway.state.connections
    assert not gateway.state.services.engine._listeners


KEYS: list[dict[str, Any]] = [
    {"additional_headers": {"Authorization": "Bearer secret"}},
    {"additional_headers": {"api-key": "secret"}},
    {"query": "&api_key=secret"},
    {"subprotocols": ["realtime", "openai-insecure-api-key.secret"]},
]


async def test_only_the_key_opens_the_door(start) -> None:  # type: ignore[no-untyped-def]
    with start(api_key="secret") as gateway:
        for options in KEYS:
            async with gateway.call(**options) as caller:
                wanted = "realtime" if "subprotocols" in options else None
                assert caller.socket.subprotocol == wanted
        for options in ({}, {"query": "&api_key=wrong"}):
            with pytest.raises(InvalidStatus) as refused:
                async with gateway.call(**options):
                    pass
            assert refused.value.response.status_code == 401
        async with httpx.AsyncClient(base_url=gateway.http) as client:
            assert (await client.get("/v1/models")).status_code == 401
            headers = {"Authorization": "Bearer secret"}
            models = (await client.get("/v1/models", headers=headers)).json()
            assert models["data"][0]["id"] == "nano"


async def test_the_sound_of_users_is_counted(start) -> None:  # type: ignore[no-untyped-def]
    with start() as gateway:
        async with gateway.call() as caller, httpx.AsyncClient(base_url=gateway.http) as client:
            await caller.append(silence(2.0))
            await caller.settings()  # answered after what was sent before it
            page = (await client.get("/metrics")).text
            name = "voiceserver_audio_in_seconds_total"
            [line] = [line for line in page.splitlines() if line.startswith(name)]
            assert float(line.split()[1]) == pytest.approx(2.0, abs=0.05)


async def test_health_and_metrics(gateway: Gateway) -> None:
    async with gateway.call() as caller, httpx.AsyncClient(base_url=gateway.http) as client:
        await caller.settings()
        health = await client.get("/health")
        assert health.status_code == 200
        assert health.json()["engine"] == "ready"
        assert health.json()["sessions"] >= 1
        assert "voiceserver_sessions " in (await client.get("/metrics")).text
        for script in (await client.get("/")).text.split('src="')[1:]:
            answer = await client.get("/" + script.split('"')[0].lstrip("/"))
            assert answer.headers["content-type"].startswith("text/javascript")
