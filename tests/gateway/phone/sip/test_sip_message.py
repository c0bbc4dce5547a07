"""SIP messages: read and written again, and every way to be none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.gateway.phone.sip.message import (
    Malformed,
    Request,
    Response,
    host_of,
    parameters,
    parse,
    split,
    uri_of,
)

INVITE = (
    "INVITE sip:bot@192.0.2.1 SIP/2.0\r\n"
    "v: SIP/2.0/UDP a.example;branch=z9hG4bK1 , SIP/2.0/UDP b.example;branch=z9hG4bK2\r\n"
    'f: "Müller, \\"Max\\"" <sip:max@example.com;user=phone>;tag=77\r\n'
    "To: sip:bot@192.0.2.1\r\ni: 5@example\r\nCSeq:  1  INVITE\r\n"
    "Subject: a folded\r\n  line\r\nm: <sip:max@192.0.2.7:5062>\r\nl: 3\r\n\r\nabcdef"
)


def test_a_request_is_read() -> None:
    message = parse(INVITE.encode())
    assert isinstance(message, Request)
    assert (message.method, message.uri) == ("INVITE", "sip:bot@192.0.2.1")
    assert message.all("via") == [
        "SIP/2.0/UDP a.example;branch=z9hG4bK1",
        "SIP/2.0/UDP b.example;branch=z9hG4bK2",
    ]
    assert message.branch == "z9hG4bK1"
    assert message.sequence == (1, "INVITE")
    assert message.first("subject") == "a folded line"
    assert message.body == b"abc"
    assert parameters(message.text("from")) == {"tag": "77"}
    assert uri_of(message.text("from")) == "sip:max@example.com;user=phone"
    assert parse(message.encoded()) == parse(parse(message.encoded()).encoded())


def test_what_is_not_utf8_comes_back_as_it_was() -> None:
    data = INVITE.encode("latin-1")
    assert 'From: "M\xfcller'.encode("latin-1") in parse(data).encoded()


def test_a_response_is_read() -> None:
    data = INVITE.replace("INVITE sip:bot@192.0.2.1 SIP/2.0", "SIP/2.0 486 Busy Here")
    message = parse(data.encode())
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (486, "Busy Here")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("INVITE sip:bot@192.0.2.1 SIP/2.0", "INVITE sip:bot@192.0.2.1"),
        ("INVITE sip:bot@192.0.2.1 SIP/2.0", "GET / HTTP/1.1"),
        ("INVITE sip:bot@192.0.2.1 SIP/2.0", "SIP/2.0 999 What"),
        ("CSeq:  1  INVITE", "CSeq: 1 BYE"),
        ("CSeq:  1  INVITE", "CSeq: 99999999999 INVITE"),
        ("CSeq:  1  INVITE", "CSeq: ١ INVITE"),
        ("i: 5@example\r\n", ""),
        ("l: 3", "l: 7"),
        ("l: 3", "l: -1"),
        ("\r\n\r\n", "\r\n"),
        ("Subject: ", "Subject "),
        ("Subject: ", "Sub ject: "),
        ("a folded", "a\0folded"),
        ("Subject:", "X: y\r\n" * 200 + "Subject:"),
        ("abcdef", "x" * 20_000),
    ],
)
def test_what_is_no_message_is_malformed(old: str, new: str) -> None:
    assert old in INVITE
    with pytest.raises(Malformed):
        parse(INVITE.replace(old, new).encode())


@given(st.lists(st.text(st.sampled_from('ab,;<>" =\\'), max_size=12), max_size=6))
def test_lists_lose_nothing_but_commas(pieces: list[str]) -> None:
    value = ",".join(pieces)
    assert "".join("".join(split(value)).split()).count("a") == value.count("a")


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("sip:a@example.com", ("example.com", 5060)),
        ("sip:a:secret@192.0.2.1:5070;transport=udp?x=y", ("192.0.2.1", 5070)),
        ("sip:[2001:db8::1]:5080", ("2001:db8::1", 5080)),
        ("tel:+123", None),
        ("sip:a@host:70000", None),
        ("sip:", None),
    ],
)
def test_hosts_of_uris(uri: str, place: tuple[str, int] | None) -> None:
    if place is None:
        with pytest.raises(Malformed):
            host_of(uri)
    else:
        assert host_of(uri) == place
