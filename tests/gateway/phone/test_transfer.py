"""The model hands callers over where the network asks us to whom; who is not taken comes back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import pytest
from asterisk_channel import dialled
from asterisk_line import dialling
from asterisk_line import tone as tone_of_samples
from gateway_calls import Gateway, free_port, running_gateway
from twilio_network import calling, tone

from voiceserver.engine.messages import Respond
from voiceserver.gateway.phone import twiml
from voiceserver.gateway.phone.signature import signature
from voiceserver.gateway.phone.telephone import NOBODY

TOKEN = "12345"
GOODBYE_S = 3 * 0.4  # "One moment please." as the scripted voice says it
CALL = {"CallSid": "CA1", "From": "+14158675309"}  # the one of twilio_network
NEXT = "/v1/phone/twiml/next"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server whose model hands over whoever says anything."""
    settings = {
        "transfer_to": (("sales", "+18005551212"), ("home", "sip:me@home.example;a=1&2")),
        "audiosocket": f"127.0.0.1:{free_port()}",
    }
    journal = tmp_path_factory.mktemp("transfers") / "journal"
    with running_gateway(journal, say="call them", settings=settings) as running:
        yield running


async def ask(gateway: Gateway, path: str, **fields: str) -> ElementTree.Element:
    """What Twilio is told to do next: the one verb of the answer."""
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        answer = await client.post(path, data=CALL | fields)
    assert answer.status_code == 200
    [verb] = ElementTree.fromstring(answer.text)
    return verb


async def dialogue(gateway: Gateway) -> list[tuple[str, str]]:
    """What the model of the only call there is has read last."""
    read = gateway.told(await gateway.only_id(), Respond)[-1]
    return [(m.role, m.text) for m in read.dialogue]


async def hand_over(gateway: Gateway) -> None:
    """A call to Twilio's number that the model hands over: we hang up, once it was heard."""
    async with calling(gateway.port, paced=False) as call:
        await call.begin(transfer="yes", instructions="Be brief.")
        running = asyncio.create_task(call.run())
        call.says += tone(0.8)
        await asyncio.wait_for(call.socket.wait_closed(), 30)
        running.cancel()
        assert call.socket.close_code == 1000
        assert abs(len(call.heard) / 8000 - GOODBYE_S) < 0.15


async def test_twilio_dials_whom_the_model_has_chosen(exchange: Gateway) -> None:
    connect = await ask(exchange, "/v1/phone/twiml?instructions=Be+brief.")
    assert (connect.tag, connect.get("action")) == ("Connect", exchange.http + NEXT)
    parameters = {p.get("name"): p.get("value") for p in connect.iter("Parameter")}
    assert parameters == {"instructions": "Be brief.", "transfer": "yes"}
    await hand_over(exchange)
    dial = await ask(exchange, NEXT)
    assert (dial.tag, dial.get("action")) == ("Dial", exchange.http + NEXT)
    [number] = dial
    assert (number.tag, number.text) == ("Number", "+18005551212")
    assert (await ask(exchange, NEXT, DialCallStatus="completed")).tag == "Hangup"
    assert (await ask(exchange, NEXT)).tag == "Hangup"  # that was it


async def test_who_is_not_taken_goes_on_where_they_were(exchange: Gateway) -> None:
    await hand_over(exchange)
    assert (await ask(exchange, NEXT)).tag == "Dial"
    connect = await ask(exchange, NEXT, DialCallStatus="busy")
    assert (connect.tag, connect.get("action")) == ("Connect", exchange.http + NEXT)
    async with calling(exchange.port, paced=False) as call:
        await call.begin(transfer="yes")
        await call.until(lambda c: c.sounds() > 0)  # the assistant speaks first
        read = await dialogue(exchange)
        assert (await ask(exchange, NEXT, DialCallStatus="busy")).tag == "Hangup"  # nobody now
    said, asked = ("assistant", "One moment please."), ("assistant", "")
    assert read == [("system", "Be brief."), ("user", "call them"), said, asked, ("tool", NOBODY)]


async def test_a_stream_that_nobody_asks_after_cannot_hand_over(exchange: Gateway) -> None:
    async with calling(exchange.port) as call:
        call.says += tone(0.8)
        await call.until(lambda c: c.sounds() > 0)
        assert not exchange.told(await exchange.only_id(), Respond)[-1].tools.functions


async def test_only_twilio_may_ask(tmp_path: Path) -> None:
    settings = {"transfer_to": (("sales", "1001"),), "twilio_auth_token": TOKEN}
    with running_gateway(tmp_path / "journal", settings=settings) as gateway:
        good = signature(TOKEN, gateway.http + NEXT, CALL.items())
        kind = {"content-type": "application/x-www-form-urlencoded"}
        async with httpx.AsyncClient(base_url=gateway.http, headers=kind) as client:

            async def status(body: str, key: str) -> int:
                headers = {"X-Twilio-Signature": key}
                return (await client.post(NEXT, content=body, headers=headers)).status_code

            assert await status(urlencode(CALL), good) == 200
            assert await status(urlencode(CALL), signature("guess", gateway.http + NEXT)) == 401
            assert await status(urlencode(CALL | {"CallSid": "CA2"}), good) == 401


async def transfer_of(gateway: Gateway, call_id: str) -> str:
    """What a dialplan is told."""
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        answer = await client.get("/v1/phone/transfer", params={"call": call_id})
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


async def test_a_dialplan_asks_after_asterisks_channel(exchange: Gateway) -> None:
    async with dialled(exchange.port, "?call=1732.5&instructions=Be+brief.") as call:
        call.says += tone(0.8)
        await call.until(lambda: "HANGUP" in call.commands())
        assert abs(len(call.heard) / 8000 - GOODBYE_S) < 0.15
    assert await transfer_of(exchange, "1732.5") == "+18005551212"
    assert await transfer_of(exchange, "1732.6") == ""
    async with dialled(exchange.port, "?call=1732.5") as call:
        await call.until(lambda: call.sounds() > 0)
        assert (await dialogue(exchange))[-1] == ("tool", NOBODY)
    assert await transfer_of(exchange, "1732.5") == ""


async def test_a_dialplan_asks_after_audiosocket(exchange: Gateway) -> None:
    port = int(exchange.state.config.audiosocket.rpartition(":")[2])  # type: ignore[union-attr]
    call_id = uuid.uuid4()
    async with dialling(port, call_id=call_id) as call:
        call.says += tone_of_samples(0.8)
        await asyncio.wait_for(call.hung_up.wait(), 30)
        assert abs(len(call.heard) * 0.02 - GOODBYE_S) < 0.15
    assert await transfer_of(exchange, str(call_id)) == "+18005551212"
    async with dialling(port, call_id=call_id) as call:
        await call.until(lambda: bool(call.heard))
        assert (await dialogue(exchange))[-1] == ("tool", NOBODY)


async def test_a_dialplan_shows_the_key(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "journal", api_key="secret") as gateway:
        async with httpx.AsyncClient(base_url=gateway.http) as client:
            path = "/v1/phone/transfer?call=1"
            assert (await client.get(path)).status_code == 401
            answer = await client.get(path, headers={"api-key": "secret"})
            assert (answer.status_code, answer.text) == (200, "")


def test_twiml_is_written_for_numbers_and_addresses() -> None:
    [dial] = ElementTree.fromstring(twiml.dial("sip:me@home.example;a=1&2", "https://a/?b=1&c=2"))
    assert dial.get("action") == "https://a/?b=1&c=2"
    [address] = dial
    assert (address.tag, address.text) == ("Sip", "sip:me@home.example;a=1&2")
