"""A reply that came too soon is taken back: the user's pieces are read as one message."""

from __future__ import annotations

import pytest
from forecast_kit import SEMANTIC, Call

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.engine import messages as m
from voiceserver.session import notices as n


def read_as(call: Call) -> list[tuple[str, str]]:
    """The dialogue that the newest reply was made of."""
    return [(message.role, message.text) for message in call.told(m.Respond)[-1].dialogue]


def answered(*, frames: int, after_windows: int) -> Call:
    """The user said "I would like"; so much of the answer was made, so many windows ago."""
    call = Call()
    call.speak_turn("I would like")
    call.reply(frames)
    call.hear("." * after_windows)
    return call


def go_on(call: Call, text: str) -> None:
    call.hear("i" * 6 + "#" * 10 + "y" * 6)
    call.read(text)


def test_who_goes_on_at_once_is_read_as_having_said_it_all() -> None:
    call = answered(frames=3, after_windows=8)
    go_on(call, "a glass of water")
    assert read_as(call) == [("user", "I would like a glass of water")]
    [done] = call.noticed(n.ReplyDone)
    assert (done.reply.status, done.reply.reason) == ("cancelled", "turn_detected")
    assert call.noticed(n.SpeechStarted)[-1]
    call.reply(12, "here you are my friend and take care ")
    call.end_reply()
    call.hear("." * 60)
    call.speak_turn("thanks")
    assert [role for role, _ in read_as(call)] == ["user", "assistant", "user"]


def test_a_reply_that_was_heard_is_remembered() -> None:
    call = answered(frames=16, after_windows=50)
    go_on(call, "stop it")
    roles = [role for role, _ in read_as(call)]
    assert roles == ["user", "assistant", "user"]


def test_who_speaks_much_later_begins_anew() -> None:
    call = Call()
    call.speak_turn("I would like")
    call.hear("." * 90)  # the engine is slow
    call.reply(3)
    call.hear("....")
    go_on(call, "are you there")
    texts = [text for role, text in read_as(call) if role == "user"]
    assert texts == ["I would like", "are you there"]


def test_a_turn_that_was_not_answered_yet_is_continued() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "y" * 6)
    first = call.told(m.Recognise)[-1].request_id
    call.hear("..." + "#" * 10)
    call.say(m.Recognised("s", first, "I would like"))
    assert not call.told(m.Respond), "the user is speaking"
    call.hear("y" * 6)
    call.read("a glass of water")
    assert read_as(call) == [("user", "I would like a glass of water")]


def test_a_reply_taken_back_for_nothing_is_made_again() -> None:
    call = answered(frames=3, after_windows=8)
    go_on(call, "")
    assert len(call.told(m.Respond)) == 2
    assert read_as(call) == [("user", "I would like")]
    assert len(call.noticed(n.ReplyCreated)) == 2


def test_three_pieces_are_one_message_and_an_empty_one_is_no_seam() -> None:
    call = answered(frames=3, after_windows=8)
    go_on(call, "")
    call.reply(3)
    call.hear("." * 4)
    go_on(call, "a glass of water")
    call.reply(3)
    call.hear("." * 4)
    go_on(call, "please")
    assert read_as(call) == [("user", "I would like a glass of water please")]


def test_an_engine_that_hears_is_told_of_one_turn() -> None:
    call = Call(SEMANTIC, hears=True)
    call.speak_turn()
    first = call.told(m.TurnBegan)[-1]
    call.reply(3)
    call.hear("." * 8 + "i" * 6)
    began = call.told(m.TurnBegan)[-1]
    assert began.start_sample == first.start_sample
    assert began.dialogue == first.dialogue == ()
    call.hear("#" * 10 + "y" * 6)
    [user] = call.told(m.Respond)[-1].dialogue
    assert user.start_sample == first.start_sample
    assert user.end_sample is not None
    assert user.end_sample >= call.listened - 6 * VAD_WINDOW_SAMPLES


@pytest.mark.parametrize("frames", [3, 16])
def test_the_client_sees_an_ordinary_interruption(frames: int) -> None:
    call = answered(frames=frames, after_windows=3 * frames)
    go_on(call, "and more")
    items = [item.role for item in call.session.conversation.items()]
    assert items[:3] == ["user", "assistant", "user"]
