"""Registering at an exchange that wants a password."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from gateway_calls import Gateway
from sip_phone import HERE, Answer, read, socket_for

Start = Callable[..., AbstractContextManager[Gateway]]


class Exchange:
    """A registrar; its transport is given later."""

    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport
        self.port = 0
        self.told: list[Answer] = []

    def take(self, data: bytes) -> None:
        request = read(data)
        self.told.append(request)
        names = ("via", "from", "to", "call-id", "cseq")
        headers = "".join(f"{name}: {request.headers[name]}\r\n" for name in names)
        if self.knows(request.headers.get("authorization", "")):
            status = "200 OK"
            headers += f"Contact: {request.headers['contact']};expires=60\r\n"
        else:
            status = "401 Unauthorized"
            headers += 'WWW-Authenticate: Digest realm="lab", nonce="n1", qop="auth"\r\n'
        found = re.search(r"UDP ([^:]+):(\d+)", request.headers["via"])
        assert found is not None
        answer = f"SIP/2.0 {status}\r\n{headers}Content-Length: 0\r\n\r\n"
        self.transport.sendto(answer.encode(), (found[1], int(found[2])))

    def knows(self, answer: str) -> bool:
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', answer))
        secret = hashlib.md5(b"bot:lab:secret").hexdigest()
        what = hashlib.md5(f"REGISTER:{fields.get('uri')}".encode()).hexdigest()
        proof = f"{secret}:n1:{fields.get('nc')}:{fields.get('cnonce')}:auth:{what}"
        return fields.get("response") == hashlib.md5(proof.encode()).hexdigest()


async def registering(
    start_sip: Start, password: str, told: Callable[[Exchange], bool]
) -> Exchange:
    """A server that registers with this password, and is stopped once `told` holds."""
    exchange = Exchange()
    exchange.transport, exchange.port = await socket_for(exchange.take)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VOICESERVER_SIP_PASSWORD", password)
        running = start_sip(sip={"register": f"sip:bot@{HERE}:{exchange.port}"})
        await asyncio.to_thread(running.__enter__)
        async with asyncio.timeout(20):
            while not told(exchange):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.to_thread(running.__exit__, None, None, None)
    exchange.transport.close()
    return exchange


async def test_the_server_registers_and_leaves(start_sip: Start) -> None:
    exchange = await registering(start_sip, "secret", lambda exchange: len(exchange.told) >= 2)
    first, second, *rest = exchange.told
    assert "authorization" not in first.headers
    assert first.start == f"REGISTER sip:{HERE}:{exchange.port} SIP/2.0"
    assert exchange.knows(second.headers["authorization"])
    assert first.headers["contact"].startswith("<sip:bot@127.0.0.1:")
    assert [request.headers["expires"] for request in rest][-1:] == ["0"]


async def test_a_registration_that_is_refused_is_told(
    start_sip: Start, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = await registering(
        start_sip, "wrong", lambda _: "could not be registered: 401" in caplog.text
    )
    assert "wrong" not in caplog.text
    assert len(exchange.told) == 2


def test_an_exchange_that_cannot_be_found_is_told_and_stops_nothing(
    start_sip: Start, caplog: pytest.LogCaptureFixture
) -> None:
    uri = "sip:bot@no-such-exchange.invalid"
    with start_sip(sip={"register": uri}):
        for _ in range(1000):
            if f"{uri} could not be registered" in caplog.text:
                break
            time.sleep(0.02)
        else:
            raise AssertionError("nobody was told")
