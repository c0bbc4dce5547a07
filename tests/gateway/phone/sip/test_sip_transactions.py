"""Transactions over a wire that loses what it is told to lose."""

from __future__ import annotations

import asyncio

from voiceserver.gateway.phone.sip.message import Request, Response, parse
from voiceserver.gateway.phone.sip.transactions import (
    PATIENCE,
    Transactions,
    answer_to,
    response_to,
)

T1_S = 0.002
THERE = ("192.0.2.9", 5062)


def request(method: str = "OPTIONS", via: str = "SIP/2.0/UDP a.example;rport;branch=b1") -> Request:
    headers = (
        ("via", via),
        ("from", "<sip:a@example>;tag=1"),
        ("to", "<sip:b@example>"),
        ("call-id", "c"),
        ("cseq", f"1 {method}"),
        ("record-route", "<sip:proxy.example;lr>"),
    )
    return Request(headers, b"", method, "sip:b@example")


class Lossy:
    """Remembers what was sent; answers the request whose number of tries it was told."""

    def __init__(self, answers_after: int = 10**6) -> None:
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.answers_after = answers_after
        self.transactions = Transactions(self.send, T1_S)

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        self.sent.append((data, to))
        message = parse(data)
        if isinstance(message, Request) and len(self.sent) >= self.answers_after:
            self.transactions.answered(response_to(message, THERE, 100))
            self.transactions.answered(response_to(message, THERE, 200, tag="x"))


async def test_a_request_is_sent_until_it_is_answered() -> None:
    wire = Lossy(answers_after=4)
    response = await wire.transactions.request(request(), THERE)
    assert response is not None
    assert response.status == 200
    assert [to for _, to in wire.sent] == [THERE] * 4
    assert len({data for data, _ in wire.sent}) == 1
    await asyncio.sleep(10 * T1_S)
    assert len(wire.sent) == 4


async def test_a_request_that_is_never_answered_is_given_up() -> None:
    wire = Lossy()
    assert await wire.transactions.request(request(), THERE) is None
    assert 10 <= len(wire.sent) <= 13  # RFC 3261: eleven over UDP, within 64 T1


async def test_a_final_answer_comes_again_until_it_is_acknowledged() -> None:
    wire, unheard = Lossy(), asyncio.Event()
    invite = request("INVITE")
    assert not wire.transactions.is_copy(invite, THERE)
    answer = response_to(invite, THERE, 200, tag="x")
    heard = wire.transactions.repeat(invite, THERE, answer, unheard.set)
    while len(wire.sent) < 3:  # noqa: ASYNC110
        await asyncio.sleep(T1_S)
    heard()
    sent = len(wire.sent)
    await asyncio.sleep(20 * T1_S)
    assert len(wire.sent) == sent
    assert not unheard.is_set()


async def test_a_final_answer_that_nobody_hears_is_told() -> None:
    wire, unheard = Lossy(), asyncio.Event()
    invite = request("INVITE")
    wire.transactions.is_copy(invite, THERE)
    wire.transactions.repeat(invite, THERE, response_to(invite, THERE, 200, tag="x"), unheard.set)
    await asyncio.wait_for(unheard.wait(), 20)


async def test_copies_get_the_same_answer_for_a_while() -> None:
    wire = Lossy()
    assert not wire.transactions.is_copy(request(), THERE)
    assert wire.transactions.is_copy(request(), THERE)  # not answered yet: nothing to repeat
    assert not wire.sent
    wire.transactions.answer(request(), THERE, response_to(request(), THERE, 200, tag="x"))
    assert wire.transactions.is_copy(request(), THERE)
    assert len({data for data, _ in wire.sent}) == 1
    other = request(via="SIP/2.0/UDP a.example;rport;branch=b2")
    assert not wire.transactions.is_copy(other, THERE)
    await asyncio.sleep(3 * PATIENCE * T1_S)
    assert not wire.transactions.is_copy(request(), THERE)


async def test_memory_is_bounded() -> None:
    wire = Lossy()
    for i in range(5000):
        wire.transactions.is_copy(request(via=f"SIP/2.0/UDP a;branch=b{i}"), THERE)
    assert len(wire.transactions._answered) <= 2048


def test_answers_go_back_the_way_requests_came() -> None:
    assert answer_to(request(), THERE) == THERE
    assert answer_to(request(via="SIP/2.0/UDP a.example:5099;branch=b"), THERE) == (THERE[0], 5099)
    assert answer_to(request(via="SIP/2.0/UDP a.example;branch=b"), THERE) == (THERE[0], 5060)
    assert answer_to(request(via="SIP/2.0/UDP [::1];branch=b"), THERE) == (THERE[0], 5060)


def test_an_answer_has_what_the_request_had() -> None:
    answer = response_to(request(), THERE, 200, tag="x", more=(("allow", "BYE"),))
    assert isinstance(answer, Response)
    assert answer.text("via") == "SIP/2.0/UDP a.example;branch=b1;received=192.0.2.9;rport=5062"
    assert answer.text("to") == "<sip:b@example>;tag=x"
    assert answer.first("record-route") is not None
    assert answer.first("allow") == "BYE"
    assert response_to(request(), THERE, 486).first("record-route") is None
