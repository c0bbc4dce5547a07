"""How much has been heard: by the clock, or as the client reports it."""

from __future__ import annotations

from voiceserver.session.playout import CLIENT_BUFFER_S, Playout


def test_the_clock_moves_on_by_itself() -> None:
    playout = Playout()
    playout.sent("a", 2.0, 10.0)
    assert playout.heard_s(10.0) == 0.0
    assert abs(playout.heard_s(11.0) - (1.0 - CLIENT_BUFFER_S)) < 1e-9
    assert playout.heard_s(20.0) == 2.0


def test_a_report_counts_alone() -> None:
    playout = Playout()
    playout.reported = True
    playout.sent("a", 2.0, 10.0)
    assert playout.heard_s(20.0) == 0.0  # nothing reported: nothing heard
    playout.played("a", 0.5, 20.0)
    assert playout.heard_s(25.0) == 0.5
    assert abs(playout.unheard_s(20.0) - 1.5) < 1e-9  # the rest follows in real time
    playout.played("a", 9.0, 26.0)  # more than was sent is all of it
    assert playout.heard_s(26.0) == 2.0
    assert playout.unheard_s(26.0) == 0.0


def test_a_report_is_of_its_item() -> None:
    playout = Playout()
    playout.reported = True
    playout.sent("a", 2.0, 10.0)
    playout.played("a", 1.0, 11.0)
    playout.sent("b", 2.0, 11.0)
    assert playout.heard_s(12.0) == 0.0
    playout.played("a", 2.0, 12.0)
    assert playout.heard_s(12.0) == 0.0
    playout.played("b", 0.1, 12.2)
    assert playout.heard_s(12.2) == 0.1
