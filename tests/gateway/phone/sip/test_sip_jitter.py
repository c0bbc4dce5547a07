"""Packets out of order, doubled, lost and late: the sound is what it was, or silence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voiceserver.gateway.phone.sip.jitter import MOST_WAITING, QUIET_S, Reorder
from voiceserver.gateway.phone.sip.rtp import Packet

QUIET = b"\xff"
STARTS = st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)


def stream(count: int, at: int = 0, number: int = 0, source: int = 1) -> list[Packet]:
    """Packets of 20 ms, each of one value of its own."""
    return [
        Packet(0, (number + i) % 2**16, (at + 160 * i) % 2**32, source, bytes([i]) * 160)
        for i in range(count)
    ]


def heard(reorder: Reorder, packets: list[Packet]) -> bytes:
    return b"".join(reorder.packet(packet, 0.02 * i) for i, packet in enumerate(packets))


@given(*STARTS, st.data())
def test_disorder_and_copies_change_nothing(at: int, number: int, data: st.DataObject) -> None:
    packets = stream(40, at, number)
    places = [i + data.draw(st.sampled_from([0, 0, 0, 1.5, 2.5])) for i in range(40)]
    places[0] = -1
    shuffled = [p for _, p in sorted(zip(places, packets, strict=True), key=lambda pair: pair[0])]
    copies = [p for p in shuffled for _ in range(data.draw(st.sampled_from([1, 1, 2])))]
    reorder = Reorder(QUIET)
    sound = heard(reorder, copies) + reorder.quiet(10.0)
    assert sound.rstrip(QUIET) == b"".join(p.payload for p in packets).rstrip(QUIET)


@given(*STARTS, st.sets(st.integers(1, 38), max_size=12))
def test_what_is_lost_becomes_silence_of_the_same_length(
    at: int, number: int, lost: set[int]
) -> None:
    packets = stream(40, at, number)
    reorder = Reorder(QUIET)
    sound = heard(reorder, [p for i, p in enumerate(packets) if i not in lost])
    sound += reorder.quiet(10.0)
    expected = b"".join(QUIET * 160 if i in lost else p.payload for i, p in enumerate(packets))
    assert sound[: len(expected)] == expected
    assert set(sound[len(expected) :]) <= set(QUIET)


def test_packets_in_order_wait_for_nothing() -> None:
    reorder = Reorder(QUIET)
    for packet in stream(20, 2**32 - 500, 65_530):
        assert reorder.packet(packet, 0.0) == packet.payload


def test_a_lost_packet_is_not_waited_for_for_long() -> None:
    reorder = Reorder(QUIET)
    packets = stream(20)
    assert heard(reorder, packets[:2])
    waited = [reorder.packet(packet, 0.1) for packet in packets[3:]]
    assert [bool(sound) for sound in waited[: MOST_WAITING + 1]] == [False] * MOST_WAITING + [True]
    assert waited[MOST_WAITING][:160] == QUIET * 160


def test_a_sender_that_skips_silence_is_not_waited_for() -> None:
    reorder = Reorder(QUIET)
    first, second = stream(2)
    reorder.packet(first, 0.0)
    later = Packet(0, second.sequence, 160 + 400, 1, b"x" * 160)
    assert reorder.packet(later, 0.05) == QUIET * 400 + b"x" * 160


def test_where_nothing_comes_silence_is_heard_as_time_passes() -> None:
    reorder = Reorder(QUIET)
    assert reorder.quiet(5.0) == b""  # not before the first packet
    packets = stream(100)
    reorder.packet(packets[0], 6.0)
    assert reorder.quiet(6.0 + QUIET_S / 2) == b""
    silence = b"".join(reorder.quiet(6.0 + 0.02 * i) for i in range(51))
    assert abs(len(silence) - 8000) <= 50
    assert reorder.packet(packets[49], 7.0) == packets[49].payload
    assert reorder.packet(packets[50], 7.02) == packets[50].payload


def test_another_source_or_a_jump_begins_anew() -> None:
    reorder = Reorder(QUIET)
    heard(reorder, stream(3))
    other = stream(2, at=123_456_789, number=7, source=2)
    assert heard(reorder, other) == other[0].payload + other[1].payload
    far = stream(1, at=999, number=9, source=2)[0]
    assert reorder.packet(far, 0.0) == far.payload


def test_other_packets_of_the_stream_leave_no_hole() -> None:
    reorder = Reorder(QUIET)
    first, _, third = stream(3)
    reorder.packet(first, 0.0)
    reorder.other(Packet(101, 1, 160, 1, b"\x01\x0a\0\xa0"))
    assert reorder.packet(third, 0.04) == QUIET * 160 + third.payload
