"""Who may place a call: Twilio by its signature, or who shows the API key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import pytest
from gateway_calls import Gateway
from starlette.requests import HTTPConnection
from twilio_network import calling
from websockets.exceptions import InvalidStatus

from voiceserver.gateway.phone.signature import requested_url, signature, signed

TOKEN = "12345"
FIELDS = [
    ("To", "+18005551212"),
    ("CallSid", "CA1234567890ABCDE"),
    ("From", "+14158675309"),
    ("Digits", "1234"),
    ("Caller", "+14158675309"),
]


@pytest.fixture
def guarded(start: Callable[..., Any]) -> Iterator[Gateway]:
    """A server that knows an auth token and an API key."""
    with start(api_key="secret", settings={"twilio_auth_token": TOKEN}) as gateway:
        yield gateway


def test_the_published_example() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature(TOKEN, url, FIELDS) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def connection(headers: dict[str, str], scheme: str = "ws", query: str = "") -> HTTPConnection:
    kind = "websocket" if scheme == "ws" else "http"
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    path = "/v1/phone/twilio"
    scope = {"type": kind, "scheme": scheme, "path": path, "query_string": query.encode()}
    return HTTPConnection(scope | {"headers": raw, "server": ("10.0.0.1", 8000)})


def test_the_url_is_the_one_the_provider_asked_for() -> None:
    behind_proxy = connection({"host": "bot.example", "x-forwarded-proto": "https"})
    assert requested_url(behind_proxy, None) == "wss://bot.example/v1/phone/twilio"
    asked = connection({"host": "inner:8000"}, "http", "a=b%20c")
    public = "https://bot.example:8443/voice/"
    assert requested_url(asked, public) == "https://bot.example:8443/voice/v1/phone/twilio?a=b%20c"


@pytest.mark.parametrize("ending", ["", "/"])
@pytest.mark.parametrize("port", ["", ":443"])
def test_all_spellings_of_a_socket_are_one(port: str, ending: str) -> None:
    url = f"wss://bot.example{port}/v1/phone/twilio{ending}"
    headers = {"host": "bot.example", "x-twilio-signature": signature(TOKEN, url)}
    assert signed(connection(headers), TOKEN, "https://bot.example")
    assert not signed(connection(headers), "other", "https://bot.example")
    assert not signed(connection(headers), TOKEN, "https://other.example")


@pytest.mark.parametrize("host", ["", "bot.example:port", "bot.example:99999", "[", "[::1"])
def test_a_host_that_is_none_signs_nothing(host: str) -> None:
    assert not signed(connection({"host": host, "x-twilio-signature": "x"}), TOKEN, None)


async def test_a_call_needs_a_signature_or_the_key(guarded: Gateway) -> None:
    url = f"ws://127.0.0.1:{guarded.port}/v1/phone/twilio"
    good = {"X-Twilio-Signature": signature(TOKEN, url)}
    for headers in (good, {"Authorization": "Bearer secret"}):
        async with calling(guarded.port, additional_headers=headers) as call:
            await call.press("1#")
            await call.until(lambda c: c.sounds() > 0)
    forged = {"X-Twilio-Signature": signature("guess", url)}
    for headers in ({}, forged, {"Authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as refused:
            async with calling(guarded.port, additional_headers=headers):
                pass
        assert refused.value.response.status_code == 401


async def test_without_a_token_the_key_alone_opens(start: Callable[..., Any]) -> None:
    with start(api_key="secret") as gateway:
        url = f"ws://127.0.0.1:{gateway.port}/v1/phone/twilio"
        empty = {"X-Twilio-Signature": signature("", url)}
        with pytest.raises(InvalidStatus):
            async with calling(gateway.port, additional_headers=empty):
                pass
        async with calling(gateway.port, additional_headers={"api-key": "secret"}):
            pass


async def test_twiml_connects_the_call(guarded: Gateway) -> None:
    path = "/v1/phone/twiml?instructions=Say+%22hi%22+%26+listen"
    url = guarded.http + path
    body = urlencode(FIELDS)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    async with httpx.AsyncClient(base_url=guarded.http) as client:
        headers = kind | {"X-Twilio-Signature": signature(TOKEN, url, FIELDS)}
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/xml")
        assert (await client.post(path, content=body + "x", headers=headers)).status_code == 401
        assert (await client.post(path, content=body, headers=kind)).status_code == 401
        assert (await client.post(path, content=b"x" * 100_000)).status_code == 413
    [stream] = ElementTree.fromstring(answer.text).iter("Stream")
    assert stream.get("url") == f"ws://127.0.0.1:{guarded.port}/v1/phone/twilio"
    [parameter] = stream
    assert parameter.attrib == {"name": "instructions", "value": 'Say "hi" & listen'}
