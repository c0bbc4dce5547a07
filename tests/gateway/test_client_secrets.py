"""Client secrets: issued over HTTP, taken at the door until they end, with the session in them."""

from __future__ import annotations

import base64
import json
import random
import time
import zlib
from typing import Any

import httpx
import pytest
from gateway_calls import Gateway
from openai import AsyncOpenAI
from websockets.exceptions import InvalidStatus

from voiceserver.gateway.ephemeral import MOST_CHARS, ClientSecrets, SecretRefused, SecretTooLong

SESSION: dict[str, Any] = {
    "type": "realtime",
    "instructions": "Speak like a sailor. Ünïcode 🎉",
    "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}],
    "audio": {"input": {"turn_detection": None}, "output": {"voice": "alloy"}},
}


async def refused(gateway: Gateway, **options: Any) -> dict[str, Any]:
    """The error a handshake is answered with."""
    with pytest.raises(InvalidStatus) as caught:
        async with gateway.call(**options):
            pass
    assert caught.value.response.status_code == 401
    error: dict[str, Any] = json.loads(caught.value.response.body)["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    return error


def bearer(secret: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {secret}"}}


async def test_a_secret_opens_the_door_and_brings_its_session(start) -> None:  # type: ignore[no-untyped-def]
    with start(api_key="secret") as gateway:
        async with AsyncOpenAI(base_url=f"{gateway.http}/v1", api_key="secret") as client:
            issued = await client.realtime.client_secrets.create(
                session=SESSION, expires_after={"anchor": "created_at", "seconds": 30}
            )
        assert issued.value.startswith("ek_")
        assert abs(issued.expires_at - time.time() - 30) < 20
        assert issued.session.instructions == SESSION["instructions"]
        browser = {"subprotocols": ["realtime", f"openai-insecure-api-key.{issued.value}"]}
        for options in (bearer(issued.value), browser):
            async with gateway.call(**options) as caller:
                session = caller.events[0]["session"]
                assert session["instructions"] == SESSION["instructions"]
                assert session["tools"] == SESSION["tools"]
                assert session["audio"]["input"]["turn_detection"] is None
                assert session["audio"]["output"]["voice"] == "alloy"
                assert session["output_modalities"] == ["audio"]
                changed = await caller.settings(instructions="Be brief.")
                assert changed == {**session, "instructions": "Be brief."}
        async with (
            AsyncOpenAI(base_url=f"{gateway.http}/v1", api_key=issued.value) as client,
            client.realtime.connect(model="nano") as connection,
        ):
            assert (await connection.recv()).type == "session.created"


async def test_expired_and_forged_secrets_are_refused_before_the_socket_opens(start) -> None:  # type: ignore[no-untyped-def]
    with start(api_key="secret") as gateway:
        ours = ClientSecrets("secret")
        expired = ours.issue({}, int(time.time()) - 1)
        assert "expired" in (await refused(gateway, **bearer(expired)))["message"]
        good = ours.issue({}, int(time.time()) + 60)
        forged = [
            good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
            good[:5] + ("A" if good[5] != "A" else "B") + good[6:],
            ClientSecrets("another").issue({}, int(time.time()) + 60),
            "ek_",
            "ek_.",
            good[:-4],
        ]
        for secret in forged:
            assert "not issued" in (await refused(gateway, **bearer(secret)))["message"]
        async with gateway.call(**bearer(good)), httpx.AsyncClient(base_url=gateway.http) as client:
            headers = {"Authorization": f"Bearer {good}"}
            answer = await client.post("/v1/realtime/client_secrets", headers=headers)
            assert answer.status_code == 401, "a secret issues no secrets"


async def test_without_a_key_secrets_are_those_of_this_process(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        answer = await client.post("/openai/v1/realtime/client_secrets")
        assert answer.status_code == 200
        issued = answer.json()
        assert abs(issued["expires_at"] - time.time() - 600) < 20
        assert issued["session"]["type"] == "realtime"
        beta = {"session": {"voice": "ash", "modalities": ["text"]}}
        answer = await client.post("/v1/realtime/client_secrets", json=beta)
        async with gateway.call(**bearer(answer.json()["value"])) as caller:
            session = caller.events[0]["session"]
            assert session["audio"]["output"]["voice"] == "ash"
            assert session["output_modalities"] == ["text"]
    foreign = ClientSecrets("another").issue({}, int(time.time()) + 60)
    await refused(gateway, **bearer(foreign))


async def test_issued_as_in_the_beta(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        body = {"voice": "ash", "client_secret": {"expires_after": {"seconds": 60}}}
        session = (await client.post("/v1/realtime/sessions", json=body)).json()
        assert session["audio"]["output"]["voice"] == "ash"
        assert abs(session["client_secret"]["expires_at"] - time.time() - 60) < 20
        async with gateway.call(**bearer(session["client_secret"]["value"])) as caller:
            assert caller.events[0]["session"]["audio"]["output"]["voice"] == "ash"
        body = {"input_audio_format": "g711_alaw"}
        session = (await client.post("/v1/realtime/transcription_sessions", json=body)).json()
        assert session["type"] == "transcription"
        assert session["audio"]["input"]["format"] == {"type": "audio/pcma"}


BAD_REQUESTS: list[tuple[bytes, int, str | None]] = [
    (b"{", 400, None),
    (b"[]", 400, None),
    (b'{"expires_after": {"seconds": 9}}', 400, "expires_after.seconds"),
    (b'{"expires_after": {"seconds": 7201}}', 400, "expires_after.seconds"),
    (b'{"expires_after": {"anchor": "now"}}', 400, "expires_after.anchor"),
    (b'{"session": 7}', 400, "session"),
    (b'{"session": {"instructions": 7}}', 400, "session.instructions"),
    (b'{"session": {"type": "transcription", "voice": "a"}}', 400, "session.audio.output"),
    (b" " * 300_000, 413, None),
]


@pytest.mark.parametrize(("body", "status", "param"), BAD_REQUESTS)
async def test_a_wrong_request_is_told_its_field(
    gateway: Gateway, body: bytes, status: int, param: str | None
) -> None:
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        answer = await client.post("/v1/realtime/client_secrets", content=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


async def test_the_longest_secret_still_opens_the_door(gateway: Gateway) -> None:
    secrets = gateway.state.secrets
    rng = random.Random(1)
    text = "".join(chr(rng.randrange(33, 127)) for _ in range(9000))  # does not compress
    length = len(text)
    while True:
        try:
            secret = secrets.issue({"instructions": text[:length]}, int(time.time()) + 60)
            break
        except SecretTooLong:
            length -= 100
    assert 6800 < len(secret) <= MOST_CHARS
    async with gateway.call(**bearer(secret)) as caller:
        assert caller.events[0]["session"]["instructions"] == text[:length]
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        body = {"session": {"instructions": text}}
        answer = await client.post("/v1/realtime/client_secrets", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "session")


def test_a_secret_ends_on_time() -> None:
    ours = ClientSecrets("key")
    secret = ours.issue({"a": 1}, 1000)
    assert ours.read(secret, 999.9) == {"a": 1}
    assert ClientSecrets("key").read(secret, 0) == {"a": 1}
    with pytest.raises(SecretRefused, match="expired"):
        ours.read(secret, 1000)


def test_a_secrets_holder_cannot_read_what_is_in_it() -> None:
    secrets = ClientSecrets("key")
    session = {"tools": [{"type": "mcp", "authorization": "a key to another server"}]}
    issued = secrets.issue(session, expires_at=100)
    sealed = base64.urlsafe_b64decode(issued.removeprefix("ek_") + "==")
    for start in range(len(sealed)):  # wherever it might begin, it does not inflate
        with pytest.raises(zlib.error):
            zlib.decompress(sealed[start:])
    assert secrets.read(issued, now_s=99) == session
    assert issued != secrets.issue(session, expires_at=100)
