"""A paced reply: the client gets no more sound than it needs, and all of it in time."""

from __future__ import annotations

from forecast_kit import FRAME_S, RATE_HZ, Call
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceserver.session import notices as n
from voiceserver.session.speaker import LEAD_S, LEAST_S, PIECE_S


def speaking(frames: int = 0) -> Call:
    """The assistant has begun to answer, and the engine is so far ahead."""
    call = Call(paced=True)
    call.speak_turn()
    call.reply(frames)
    return call


def heard_s(call: Call) -> float:
    """How much sound the client got."""
    return sum(map(len, call.passed_on())) / 2 / RATE_HZ


def test_the_engines_lead_stays_with_the_server() -> None:
    call = speaking(frames=10)
    assert heard_s(call) <= LEAD_S + PIECE_S + LEAST_S + 1e-6
    before = len(call.passed_on())
    call.pass_time(5 * FRAME_S)
    assert before + 4 <= len(call.passed_on()) <= before + 6
    call.pass_time(10 * FRAME_S)
    assert len(call.passed_on()) == 10


def test_an_interruption_in_doubt_is_soon_silence() -> None:
    call = speaking(frames=10)
    call.hear("dd")
    before = len(call.passed_on())
    assert call.session.speaker.playout.ahead_s(call.now_s) <= LEAD_S + PIECE_S + LEAST_S + 1e-6
    call.hear("dddd")
    assert len(call.passed_on()) == before
    call.hear("....")
    call.read("Right.")
    call.hear("." * 26)
    assert len(call.passed_on()) == 10, "it went on"


def test_a_reply_ends_when_its_last_sound_has_gone_out() -> None:
    call = speaking(frames=10)
    call.end_reply()
    assert not call.noticed(n.ReplyDone)
    call.pass_time(10 * FRAME_S)
    [done] = call.noticed(n.ReplyDone)
    assert done.reply.status == "completed"
    assert len(call.passed_on()) == 10


def test_what_was_not_handed_out_was_not_heard() -> None:
    call = speaking(frames=10)
    call.hear("i" * 13)
    [done] = call.noticed(n.ReplyDone)
    assert (done.reply.status, done.reply.reason) == ("cancelled", "turn_detected")
    sent = len(call.passed_on())
    call.pass_time(2.0)
    assert len(call.passed_on()) == sent


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.0, 0.3)), max_size=30))
def test_the_client_holds_little_and_never_runs_dry_of_what_is_made(
    steps: list[tuple[int, float]],
) -> None:
    call = speaking()
    playout = call.session.speaker.playout
    for frames, wait_s in steps:
        call.reply(frames)
        assert playout.ahead_s(call.now_s) <= LEAD_S + PIECE_S + LEAST_S + 1e-6
        call.pass_time(wait_s)
        if playout.ahead_s(call.now_s) == 0.0:
            assert len(call.passed_on()) == len(call.said), "sound lay there while it was silent"
    call.end_reply()
    call.pass_time(len(call.said) * FRAME_S)
    assert call.passed_on() == [audio.pcm16 for audio in call.said]
    assert len(call.noticed(n.ReplyDone)) == 1
