"""What is remembered of calls on their way to somebody else, and for how long."""

from __future__ import annotations

from voiceserver.clock import FakeClock
from voiceserver.gateway.phone.handovers import MOST, PATIENCE_S, Handover, Handovers
from voiceserver.session.items import Item


def handover(target: str) -> Handover:
    asked = Item("item_1", "function_call", name="transfer_call")
    return Handover(target, asked, (asked,), "Be kind.")


def test_it_may_be_asked_for_until_it_ends() -> None:
    handovers = Handovers(FakeClock().now_s)
    handovers.begin("CA1", handover("1001"))
    assert handovers.target("CA1") == handovers.target("CA1") == "1001"
    assert handovers.target("CA2") is None
    ended = handovers.end("CA1")
    assert ended is not None
    assert ended.target == "1001"
    assert handovers.target("CA1") is handovers.end("CA1") is None


def test_the_newest_of_a_call_counts() -> None:
    handovers = Handovers(FakeClock().now_s)
    handovers.begin("CA1", handover("1001"))
    handovers.begin("CA1", handover("1002"))
    assert handovers.target("CA1") == "1002"
    handovers.end("CA1")
    assert handovers.target("CA1") is None


def test_nothing_is_kept_longer_than_a_telephone_rings() -> None:
    clock = FakeClock()
    handovers = Handovers(clock.now_s)
    handovers.begin("CA1", handover("1001"))
    clock.advance(PATIENCE_S / 2)
    handovers.begin("CA2", handover("1002"))
    clock.advance(PATIENCE_S / 2)
    assert handovers.target("CA1") is handovers.end("CA1") is None
    assert handovers.target("CA2") == "1002"


def test_only_so_many_are_kept() -> None:
    handovers = Handovers(FakeClock().now_s)
    for i in range(MOST + 1):
        handovers.begin(f"CA{i}", handover(str(i)))
    assert handovers.target("CA0") is None
    assert handovers.target("CA1") == "1"
    assert handovers.target(f"CA{MOST}") == str(MOST)
