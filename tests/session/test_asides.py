"""Replies outside the conversation take turns; replies wait for their input and for the engine."""

from __future__ import annotations

from itertools import count

import pytest

from voiceserver.config import Limits
from voiceserver.engine import messages as m
from voiceserver.errors import ClientError
from voiceserver.session import notices as n
from voiceserver.session.answerer import MOST_ASIDES
from voiceserver.session.items import Item, Part
from voiceserver.session.session import Session
from voiceserver.session.settings import ReplyOptions, SessionSettings


class Call:
    """A session whose replies are written, and what it wanted done."""

    def __init__(self) -> None:
        numbers = count()
        settings = SessionSettings(speak=False, instructions="")
        self.session = Session("s", settings, Limits(), lambda p: f"{p}{next(numbers)}")
        self.session.engine_ready(24_000, hears_audio=False)
        self.effects: list[n.Effect] = []

    def take(self) -> None:
        self.effects += self.session.drain()

    def add(self, item_id: str, text: str | None) -> None:
        part = Part("input_text", text) if text is not None else Part("input_audio", None)
        self.session.create_item(Item(item_id, role="user", parts=(part,)), None)
        self.take()

    def ask(self, *texts: str, refer_to: str | None = None, aside: bool = True) -> None:
        """Ask for a reply: to these texts, to an item, or to the conversation."""
        items = [Item(t, role="user", parts=(Part("input_text", t),)) for t in texts]
        if refer_to is not None and (item := self.session.conversation.get(refer_to)) is not None:
            items.append(item)
        own = tuple(items) or None
        options = ReplyOptions(False, 10, 0.0, "", input=own, in_conversation=not aside)
        self.session.create_response(options, 0.0)
        self.take()

    def end(self) -> None:
        """The engine completes the reply that it was asked for last."""
        respond = self.responds()[-1]
        which = ("s", respond.epoch, respond.response_id)
        ended = m.ResponseEnded(*which, m.EndReason.COMPLETED, 1, 1, 0)
        self.session.engine_said(ended, 1.0)
        self.take()

    def responds(self) -> list[m.Respond]:
        told = [e.message for e in self.effects if isinstance(e, n.TellEngine)]
        return [message for message in told if isinstance(message, m.Respond)]

    def read(self) -> list[list[str]]:
        """What each reply was given to read."""
        return [[message.text for message in respond.dialogue] for respond in self.responds()]


def test_asides_wait_for_the_reply_under_way_and_for_each_other() -> None:
    call = Call()
    call.add("a", "hello")
    call.ask(aside=False)
    call.ask("one")
    call.ask("two")
    with pytest.raises(ClientError, match="active response"):
        call.ask(aside=False)
    assert call.read() == [["hello"]]
    call.end()
    assert call.read() == [["hello"], ["one"]]
    call.end()
    call.end()
    assert call.read() == [["hello"], ["one"], ["two"]]
    call.ask(aside=False)
    assert call.read()[-1] == ["hello"]


def test_the_line_of_asides_is_bounded() -> None:
    call = Call()
    for _ in range(MOST_ASIDES + 1):
        call.ask("one")
    with pytest.raises(ClientError, match="active response"):
        call.ask("one")


def test_an_item_referred_to_is_read_once_it_is_written_down() -> None:
    call = Call()
    call.add("a", None)
    call.ask("what was that?", refer_to="a")
    assert call.read() == []
    call.session.clip_read("a", 0, "a bird", 1.0)
    call.take()
    assert call.read() == [["what was that?", "a bird"]]


def test_an_item_that_goes_before_it_is_written_down_is_not_waited_for() -> None:
    call = Call()
    call.add("a", None)
    call.ask("what was that?", refer_to="a")
    call.session.delete_item("a")
    call.take()
    assert call.read() == [["what was that?"]]


def test_a_reply_asked_for_while_the_engine_restarts_waits_for_it() -> None:
    call = Call()
    call.add("a", "hello")
    call.ask(aside=False)
    call.ask("one")
    call.session.engine_lost(2.0)
    call.take()
    assert call.read() == [["hello"]]
    call.session.engine_back()
    call.take()
    assert call.read() == [["hello"], ["one"]]
