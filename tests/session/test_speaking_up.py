"""What the assistant says unasked: "I see" in long turns, and something after a long silence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from forecast_kit import SEMANTIC, Call

from voiceserver.engine import messages as m
from voiceserver.errors import ClientError
from voiceserver.session import notices as n
from voiceserver.session.settings import TurnSettings
from voiceserver.session.speaking_up import BACKCHANNELS


def attentive() -> Call:
    """A session that wants to hear that it is listened to."""
    call = Call()
    call.session.engine_ready(24_000, hears_audio=False, speaks_verbatim=True)
    call.session.configure(replace(call.session.settings, backchannels=True))
    return call


def test_a_long_turn_is_listened_to_and_goes_on() -> None:
    call = attentive()
    call.hear("." * 5 + "#" * 140 + "m" * 4)
    [said] = call.told(m.Respond)
    assert said.verbatim in BACKCHANNELS
    assert said.dialogue == ()
    call.reply(4)
    call.end_reply()
    call.hear("#" * 20)
    [done] = call.noticed(n.ReplyDone)
    assert done.reply.status == "completed"
    assert not done.reply.in_conversation
    assert not call.noticed(n.SpeechStopped)
    assert not call.noticed(n.TurnTimed)
    assert len(call.noticed(n.SpeechStarted)) == 1
    call.read("a long")  # what the pause had asked for
    call.hear("y" * 6)
    call.read("a long story")
    assert [x.text for x in call.told(m.Respond)[-1].dialogue] == ["a long story"]


def test_a_turn_that_ends_meanwhile_is_answered_afterwards() -> None:
    call = attentive()
    call.hear("." * 5 + "#" * 140 + "m" * 2)
    call.hear("y" * 6)
    call.read("a long story")
    assert len(call.told(m.Respond)) == 1
    call.reply(4)
    call.end_reply()
    assert [x.text for x in call.told(m.Respond)[-1].dialogue] == ["a long story"]


def test_short_turns_are_not_commented_and_long_ones_not_all_the_time() -> None:
    call = attentive()
    call.hear("." * 5 + "#" * 60 + "m" * 4 + "#" * 10)
    assert not call.told(m.Respond)
    for _ in range(3):
        call.hear("#" * 60 + "m" * 4)
        if call.told(m.Respond) and not call.noticed(n.ReplyDone):
            call.reply(2)
            call.end_reply()
    assert len(call.told(m.Respond)) == 1, "in nine seconds"


def test_nothing_is_said_unless_asked_for_or_to_an_engine_that_cannot() -> None:
    call = Call()
    call.hear("." * 5 + "#" * 140 + "m" * 4)
    assert not call.told(m.Respond)
    with pytest.raises(ClientError, match="cannot say backchannels"):
        call.session.configure(replace(call.session.settings, backchannels=True))


def test_silence_does_not_begin_within_a_turn() -> None:
    call = attentive()
    call.session.configure(
        replace(
            call.session.settings,
            backchannels=True,
            turns=replace(SEMANTIC, idle_timeout_ms=1000),
        )
    )
    call.hear("." * 5 + "#" * 140 + "m" * 2)
    call.reply(4)
    call.end_reply()
    call.hear("#" * 100)
    assert not call.noticed(n.IdleTimeout)


def test_a_semantic_session_may_have_an_idle_timeout() -> None:
    call = Call(TurnSettings(kind="semantic_vad", idle_timeout_ms=2000))
    call.speak_turn()
    call.reply(4)
    call.end_reply()
    call.hear("." * 100)
    assert len(call.noticed(n.IdleTimeout)) == 1
