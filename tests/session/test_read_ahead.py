"""What the engine may read before a reply is wanted, as the session tells it."""

from __future__ import annotations

from dataclasses import replace

from forecast_kit import RATE_HZ, SEMANTIC, Call

from voiceserver.engine import messages as m
from voiceserver.session import notices as n
from voiceserver.session.items import Item, Part
from voiceserver.session.listening.events import InterimText
from voiceserver.session.settings import TurnSettings


def call(turns: TurnSettings = SEMANTIC, *, reads_ahead: bool = True) -> Call:
    subject = Call(turns)
    subject.session.engine_ready(RATE_HZ, hears_audio=False, reads_ahead=reads_ahead)
    subject.take()
    return subject


def understand(subject: Call, text: str) -> None:
    """A look at the turn that is being spoken."""
    hearing = subject.session.ears._current
    assert hearing is not None
    subject.session._turns.heed([InterimText(hearing, text)], subject.now_s)
    subject.take()


def texts(subject: Call) -> list[list[str]]:
    return [[message.text for message in a.dialogue] for a in subject.told(m.ReadAhead)]


def test_what_is_being_said_is_told_after_what_was_said() -> None:
    subject = call()
    subject.speak_turn("Who are you?")
    subject.reply(3, "I am your helper.")
    subject.end_reply()
    subject.hear("." * 30 + "#" * 20)
    understand(subject, "And where")
    understand(subject, "And where do you live?")
    before = ["Who are you?", "I am your helper."]
    assert texts(subject)[-3:] == [
        before,
        [*before, "And where"],
        [*before, "And where do you live?"],
    ]
    assert not subject.noticed(n.Interim), "the client did not ask to see them"


def test_the_instructions_are_told_at_once_and_when_they_change() -> None:
    subject = call()
    settings = subject.session.settings
    subject.session.configure(replace(settings, instructions="Be brief."))
    subject.session.configure(replace(settings, instructions="Be brief.", temperature=1.0))
    subject.take()
    assert texts(subject) == [[], ["Be brief."]]


def test_messages_of_the_clients_are_told_when_somebody_speaks() -> None:
    subject = call()
    written = Item("x", role="user", parts=(Part("input_text", "My name is Ann."),))
    subject.session.create_item(written, None)
    subject.hear("." * 10 + "#" * 20)
    assert texts(subject)[-1] == ["My name is Ann."]


def test_nothing_is_told_while_a_reply_is_made() -> None:
    subject = call(replace(SEMANTIC, interrupt_response=False))
    subject.speak_turn()
    subject.reply(2)
    told = len(texts(subject))
    subject.hear("i" * 30)
    understand(subject, "No, wait")
    assert len(texts(subject)) == told
    subject.end_reply()
    understand(subject, "No, wait a moment")
    assert len(texts(subject)) == told + 1


def test_nobody_reads_for_replies_that_are_not_made_by_themselves() -> None:
    subject = call(replace(SEMANTIC, create_response=False))
    subject.hear("." * 10 + "#" * 20)
    understand(subject, "Please write this down")
    assert not texts(subject)


def test_an_engine_that_does_not_read_ahead_is_told_nothing() -> None:
    subject = call(reads_ahead=False)
    subject.hear("." * 10 + "#" * 20)
    understand(subject, "How are you")
    assert not texts(subject)
