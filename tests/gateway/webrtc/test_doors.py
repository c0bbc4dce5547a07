"""Who gets a WebRTC call and who does not; how calls end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aioice.ice
import httpx
import pytest
from gateway_calls import PATIENCE_S, Gateway
from rtc_caller import new_caller, offer, rtc_call

from voiceserver.gateway.webrtc import call as webrtc_call

SDP = {"Content-Type": "application/sdp"}


async def post(gateway: Gateway, content: bytes | str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.http) as http:
        headers = {**SDP, **{name.replace("_", "-"): value for name, value in headers.items()}}
        path = "/v1/realtime/calls"
        return await http.post(path, content=content, headers=headers, timeout=PATIENCE_S)


async def offered() -> str:
    """An offer of a client that is never heard of again."""
    caller = new_caller()
    sdp = await offer(caller)
    await caller.pc.close()
    return sdp


async def all_gone(gateway: Gateway) -> None:
    """Wait until nobody is connected."""
    for _ in range(int(PATIENCE_S / 0.02)):
        if not gateway.state.connections:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("somebody is still connected")


@pytest.mark.parametrize("sdp", ["", "hello", "v=0", "v=0\r\nm=audio", "v=1\r\n\x00\xff"])
async def test_what_is_no_offer_is_refused_by_name(gateway: Gateway, sdp: str) -> None:
    answer = await post(gateway, sdp)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_offer", "sdp")


async def test_a_spoiled_offer_does_no_harm(gateway: Gateway) -> None:
    sdp = await offered()
    lines = sdp.splitlines()
    await all_gone(gateway)
    for at in range(0, len(lines), 3):
        spoiled = "\r\n".join([*lines[:at], lines[at][: len(lines[at]) // 2], *lines[at + 1 :]])
        answer = await post(gateway, spoiled)
        assert answer.status_code in (201, 400), lines[at]
        if answer.status_code == 201:
            path = f"{answer.headers['location']}/hangup"
            async with httpx.AsyncClient(base_url=gateway.http) as http:
                assert (await http.post(path)).status_code == 200
    await all_gone(gateway)


async def test_a_form_brings_the_session_along(gateway: Gateway) -> None:
    sdp = await offered()
    session: dict[str, Any] = {"type": "realtime", "instructions": "Be a pirate."}
    async with httpx.AsyncClient(base_url=gateway.http) as http:
        for path in ("/v1/realtime/calls", "/openai/v1/realtime/calls"):
            form = {"sdp": (None, sdp, "application/sdp"), "session": (None, json.dumps(session))}
            answer = await http.post(path, files=form, timeout=PATIENCE_S)
            assert answer.status_code == 201, answer.text
            assert answer.headers["content-type"].startswith("application/sdp")
            assert answer.headers["location"].startswith(f"{path}/rtc_")
            (line,) = gateway.state.connections
            assert line._session.settings.instructions == "Be a pirate."
            await http.post(f"{answer.headers['location']}/hangup")
            await all_gone(gateway)
        for wrong, param in (
            ("{", "session"),
            ('{"audio": {"output": {"speed": "fast"}}}', "session.audio.output.speed"),
        ):
            form = {"sdp": (None, sdp), "session": (None, wrong)}
            answer = await http.post("/v1/realtime/calls", files=form)
            assert answer.status_code == 400
            assert answer.json()["error"]["param"] == param
        assert (await http.post("/v1/realtime/calls", json={})).status_code == 400
        assert (await http.post("/v1/realtime/calls/rtc_none/hangup")).status_code == 404
    assert (await post(gateway, b"v=0" * 2**17)).status_code == 413


async def test_only_who_has_a_key_or_a_secret_may_call(start) -> None:  # type: ignore[no-untyped-def]
    with start(api_key="sk-test") as gateway:
        sdp = await offered()
        assert (await post(gateway, sdp)).status_code == 401
        assert (await post(gateway, sdp, Authorization="Bearer no")).status_code == 401
        async with httpx.AsyncClient(base_url=gateway.http) as http:
            key = {"Authorization": "Bearer sk-test"}
            asked = {"session": {"type": "realtime", "instructions": "Be a sailor."}}
            path = "/v1/realtime/client_secrets"
            secret = (await http.post(path, json=asked, headers=key)).json()["value"]
            bearer = {"Authorization": f"Bearer {secret}"}
            async with rtc_call(gateway, headers=bearer) as caller:
                assert caller.events[0]["session"]["instructions"] == "Be a sailor."
                path = f"{caller.call_path}/hangup"
                assert (await http.post(path)).status_code == 401
                assert (await http.post(path, headers=key)).status_code == 200
                await asyncio.wait_for(caller.over.wait(), PATIENCE_S)
            await all_gone(gateway)


async def test_browsers_of_other_pages_may_call_and_see_where(gateway: Gateway) -> None:
    origin = {"Origin": "https://app.example"}
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-openai-agents-sdk",
    }
    async with httpx.AsyncClient(base_url=gateway.http) as http:
        answer = await http.options("/v1/realtime/calls", headers=origin | asking)
        assert answer.status_code == 200
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert all(name in allowed for name in ("authorization", "x-openai-agents-sdk"))
        answer = await http.post("/v1/realtime/calls", headers=origin, content="")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-expose-headers"].lower() == "location"


async def test_a_full_server_says_so(start) -> None:  # type: ignore[no-untyped-def]
    with start(sessions=1) as gateway:
        async with rtc_call(gateway):
            answer = await post(gateway, await offered())
            assert answer.status_code == 429
            assert answer.json()["error"]["code"] == "session_limit_reached"
        await all_gone(gateway)
        async with rtc_call(gateway):
            pass


async def test_a_session_that_lasts_too_long_is_told_and_ended(start) -> None:  # type: ignore[no-untyped-def]
    with start(session_s=0.6) as gateway:
        async with rtc_call(gateway) as caller:
            assert (await caller.next())["error"]["code"] == "session_expired"
            await asyncio.wait_for(caller.over.wait(), PATIENCE_S)
        await all_gone(gateway)


async def test_who_never_connects_is_let_go(gateway: Gateway, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(webrtc_call, "CONNECT_S", 0.2)
    await all_gone(gateway)
    assert (await post(gateway, await offered())).status_code == 201
    await all_gone(gateway)


async def test_who_vanishes_is_let_go(gateway: Gateway, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.1)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)
    await all_gone(gateway)
    async with rtc_call(gateway) as caller:
        ice = caller.pc.sctp.transport.transport
        for protocol in ice._connection._protocols:
            protocol.transport.abort()  # no goodbye
        await all_gone(gateway)
