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


async def test_the_server_registers_and_leaves(
    start_sip: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = Exchange()
    exchange.transport, port = await socket_for(exchange.take)
    monkeypatch.setenv("VOICESERVER_SIP_PASSWORD", "secret")
    running = start_sip(sip={"register": f"sip:bot@{HERE}:{port}"})
    await asyncio.to_thread(running.__enter__)
    async with asyncio.timeout(20):
        while len(exchange.told) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.to_thread(running.__exit__, None, None, None)
    first, second, *rest = exchange.told
    assert "authorization" not in first.headers
    assert first.start == f"REGISTER sip:{HERE}:{port} SIP/2.0"
    assert exchange.knows(second.headers["authorization"])
    assert first.headers["contact"].startswith("<sip:bot@127.0.0.1:")
    assert [request.headers["expires"] for request in rest][-1:] == ["0"]
    exchange.transport.close()


async def test_a_registration_that_is_refused_is_told(
    start_sip: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Exchange()
    exchange.transport, port = await socket_for(exchange.take)
    monkeypatch.setenv("VOICESERVER_SIP_PASSWORD", "wrong")
    running = start_sip(sip={"register": f"sip:bot@{HERE}:{port}"})
    await asyncio.to_thread(running.__enter__)
    async with asyncio.timeout(20):
        while "could not be registered: 401" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "wrong" not in caplog.text
    await asyncio.to_thread(running.__exit__, None, None, None)
    assert len(exchange.told) == 2
    exchange.transport.close()


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
