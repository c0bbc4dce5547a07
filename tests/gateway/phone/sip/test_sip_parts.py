"""The smaller parts: RTP packets, keys, session descriptions, digests, guest list, transfers."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceserver.config import PRIVATE_NETWORKS, SipConfig
from voiceserver.errors import VoiceserverError
from voiceserver.gateway.phone.sip import digest, rtp, sdp
from voiceserver.gateway.phone.sip.addresses import plain, through
from voiceserver.gateway.phone.sip.callers import BURST, Callers, check_sip
from voiceserver.gateway.phone.sip.message import Malformed
from voiceserver.gateway.phone.sip.transfer import target_uri
from voiceserver.gateway.wire_audio import AudioFormat

# --- RTP -------------------------------------------------------------------------------------


@given(
    st.integers(0, 127), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1), st.binary(max_size=400), st.booleans(),
)  # fmt: skip
def test_packets_are_read_as_they_were_written(
    kind: int, number: int, at: int, source: int, payload: bytes, marker: bool
) -> None:
    packet = rtp.Packet(kind, number, at, source, payload, marker)
    assert rtp.parse(packet.encoded()) == packet


@given(st.binary(max_size=80))
def test_bytes_are_a_packet_or_malformed(data: bytes) -> None:
    try:
        packet = rtp.parse(b"\x80" + data)
        rtp.Keys().pressed(packet)
    except Malformed:
        pass


def test_extensions_sources_and_padding_are_left_out() -> None:
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, 0, 1, 2, 3) + b"\0" * 8
    extension = struct.pack(">HH", 0xBEDE, 1) + b"\0" * 4
    assert rtp.parse(head + extension + b"sound" + b"\0\0\3").payload == b"sound"
    with pytest.raises(Malformed):
        rtp.parse(head + extension + b"\xff")


def test_a_key_is_pressed_once_even_out_of_order() -> None:
    keys = rtp.Keys()

    def told(number: int, at: int) -> str | None:
        return keys.pressed(rtp.Packet(101, 0, at, 1, bytes([number, 0x8A, 0, 160])))

    assert [told(5, 100), told(5, 100), told(11, 900), told(5, 100), told(11, 900)] == [
        "5", None, "#", None, None,
    ]  # fmt: skip
    assert told(5, 1700) == "5"
    assert told(16, 2000) is None  # a hook flash
    assert keys.pressed(rtp.Packet(101, 0, 3000, 1, b"\5")) is None


# --- SDP -------------------------------------------------------------------------------------

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n"
    "m=video 4002 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 9 98 8 0 97\r\n"
    "a=rtpmap:98 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\na=sendonly\r\n"
)


def test_the_first_known_coding_of_an_offer_is_taken() -> None:
    offer = sdp.read(OFFER.encode())
    assert (offer.host, offer.port, offer.coding) == ("192.0.2.5", 4000, AudioFormat.ALAW)
    assert (offer.payload_type, offer.events_type, offer.held) == (8, 97, True)
    answer = sdp.answer(offer, "192.0.2.1", 6000, 5, 2).decode().split("\r\n")
    assert answer[1] == "o=voiceserver 5 2 IN IP4 192.0.2.1"
    assert answer[5:7] == ["m=video 0 RTP/AVP 96", "m=audio 6000 RTP/AVP 8 97"]
    assert answer[-2] == "a=recvonly"


def test_answers_and_offers_of_ours_can_be_read() -> None:
    ours = sdp.read(sdp.offer("2001:db8::1", 6000, 5, 1))
    assert (ours.host, ours.port, ours.coding) == ("2001:db8::1", 6000, AudioFormat.ULAW)
    back = sdp.read(sdp.answer(ours, "192.0.2.1", 7000, 5, 1))
    assert (back.payload_type, back.events_type, back.held) == (0, 101, False)


def test_payload_types_may_be_dynamic() -> None:
    text = OFFER.replace("RTP/AVP 9 98 8 0 97", "RTP/AVP 99 97") + "a=rtpmap:99 pcmu/8000/1\r\n"
    offer = sdp.read(text.encode())
    assert (offer.payload_type, offer.coding) == (99, AudioFormat.ULAW)


@given(st.data())
def test_spoilt_descriptions_are_refused_or_read(data: st.DataObject) -> None:
    text = bytearray(OFFER.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        offer = sdp.read(bytes(text))
        sdp.answer(offer, "192.0.2.1", 6000, 5, 1)
    except (Malformed, sdp.NotAcceptable):
        pass


# --- digest, RFC 7616 section 3.9.1 and RFC 2617 section 3.5 -----------------------------------


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_digests_of_the_standard(
    algorithm: str, response: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr(digest.secrets, "token_hex", lambda _: once)
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", '
        f"algorithm={algorithm}, "
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    answer = digest.credentials(challenge, "GET", "/dir/index.html", "Mufasa", "Circle of Life")
    assert answer is not None
    assert re.findall(r'response="(\w+)"', answer) == [response]


def test_an_old_challenge_without_qop_is_answered() -> None:
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    answer = digest.credentials(challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    assert answer is not None
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in answer
    assert "qop" not in answer


@pytest.mark.parametrize(
    "challenge", ["", "Basic x", 'Digest qop="auth-int"', "Digest algorithm=Z"]
)
def test_unknown_challenges_are_not_answered(challenge: str) -> None:
    assert digest.credentials(challenge, "REGISTER", "sip:x", "u", "p") is None


# --- who may call -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("192.168.1.1", True),
        ("fe80::1%eth0", True),
        ("203.0.113.1", False), ("2001:db8::1", False), ("", False), ("phone", False),
    ],
)  # fmt: skip
def test_private_networks_may_call_unless_told_otherwise(host: str, may: bool) -> None:
    assert Callers(PRIVATE_NETWORKS, lambda: 0.0).may_call(host) is may


def test_nobody_may_ask_too_often() -> None:
    now_s = 0.0
    callers = Callers((), lambda: now_s)
    assert sum(not callers.too_often("a") for _ in range(100)) == BURST
    assert not callers.too_often("b")
    now_s = 1.0
    assert sum(not callers.too_often("a") for _ in range(100)) == 5
    for i in range(5000):
        callers.too_often(str(i))
    assert len(callers._buckets) <= 1024


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (SipConfig("5060"), "HOST:PORT"),
        (SipConfig("0.0.0.0:5060", callers=("10.0.0.0/99",)), "no IP address or network"),
        (SipConfig("0.0.0.0:5060", register="bot@exchange"), "sip:user@exchange"),
    ],
)
def test_settings_that_make_no_sense_are_named(config: SipConfig, complaint: str) -> None:
    with pytest.raises(VoiceserverError, match=complaint):
        check_sip(config)
    check_sip(SipConfig("[::]:5060", register="sip:bot@exchange.example:5080"))


def test_ipv4_through_a_socket_of_both_kinds() -> None:
    assert plain("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain("192.0.2.1") == "192.0.2.1"
    assert plain("fe80::1%eth0") == "fe80::1%eth0"
    assert through("192.0.2.1", "::") == "::ffff:192.0.2.1"
    assert through("192.0.2.1", "0.0.0.0") == "192.0.2.1"
    assert through("192.0.2.1", "::1") is None
    assert through("2001:db8::1", "127.0.0.1") is None


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("1001", "sip:1001@10.0.0.1:5060"),
        ("#31", "sip:%2331@10.0.0.1:5060"),
        ("sip:a@example.com", "sip:a@example.com"),
        ("sip:a@example.com> <x", None),
        ("my mother", None),
        ("", None),
    ],
)
def test_targets_of_transfers(target: str, uri: str | None) -> None:
    assert target_uri(target, "10.0.0.1:5060") == uri
