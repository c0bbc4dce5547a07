"""Whatever is forecast while the assistant speaks: no sound is lost, doubled or out of order."""

from __future__ import annotations

from collections import Counter

from forecast_kit import Call
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceserver.session import notices as n

HEARD = st.builds(lambda sign, times: sign * times, st.sampled_from(".dlibn#-y"), st.integers(1, 8))
STEPS = st.lists(
    st.one_of(
        HEARD, HEARD, st.sampled_from(["SPEAK", "SPEAK", "END", "REMIND", "LOST", "CANCEL", "WAIT"])
    ),
    max_size=24,
)


def take(call: Call, step: str) -> None:
    """One thing that happens while a reply is under way."""
    active = call.session.speaker.active
    match step:
        case "SPEAK" if active is not None and not ended(call):
            call.reply(2)
        case "END" if active is not None and not ended(call):
            call.end_reply()
            call.engine_ended = active.response_id
        case "REMIND":
            for remind in call.noticed(n.Remind)[-1:]:
                call.now_s += remind.in_s
                call.session.reminded(call.now_s)
                call.take()
        case "LOST":
            call.session.engine_lost(call.now_s)
            call.session.engine_back()
            call.listened = 0
            call.take()
        case "CANCEL" if active is not None:
            call.session.cancel_response(None, call.now_s)
            call.take()
        case "WAIT":
            call.now_s += 0.3
        case _ if set(step) <= set(".dlibn#-y"):
            call.hear(step)


def ended(call: Call) -> bool:
    active = call.session.speaker.active
    return active is not None and call.engine_ended == active.response_id


def sound_made(call: Call, response_id: str) -> bytes:
    """All of a reply that came from the engine."""
    return b"".join(a.pcm16 for a in call.said if a.response_id == response_id)


def check(call: Call) -> None:
    """The client's view: replies one after another, each with what was made for it."""
    begun: Counter[str] = Counter()
    over: Counter[str] = Counter()
    got: dict[str, list[bytes]] = {}
    for effect in call.effects:
        match effect:
            case n.ReplyCreated(reply):
                assert begun == over, "two replies at once"
                begun[reply.response_id] += 1
            case n.ReplyAudio(reply, pcm16):
                assert begun[reply.response_id] == 1
                assert not over[reply.response_id]
                got.setdefault(reply.response_id, []).append(pcm16)
            case n.ReplyDone(reply):
                over[reply.response_id] += 1
                made = sound_made(call, reply.response_id)
                heard = b"".join(got.get(reply.response_id, []))
                assert made.startswith(heard)
                if reply.status == "completed":
                    assert heard == made
    assert all(times == 1 for times in (*begun.values(), *over.values()))


@settings(max_examples=120, deadline=None)
@given(STEPS)
def test_a_doubted_reply_is_passed_on_whole_and_in_order_or_ended_once(steps: list[str]) -> None:
    call = Call()
    call.speak_turn()
    call.reply(4)
    for step in steps:
        take(call, step)
        check(call)
    take(call, "REMIND")  # whatever was doubted last, time ends it
    take(call, "END")
    check(call)
    active = call.session.speaker.active
    assert active is None or active.doubted_s is None
    if active is not None:
        replies = call.noticed(n.ReplyAudio)
        got = [a.pcm16 for a in replies if a.reply.response_id == active.response_id]
        assert b"".join(got) == sound_made(call, active.response_id)
