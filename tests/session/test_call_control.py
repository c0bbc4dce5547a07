"""Hanging up and handing over, inside a session: when it is done, and what prevents it."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.config import Limits
from voiceserver.engine import messages as m
from voiceserver.engine.tools import ToolCall
from voiceserver.session import notices as n
from voiceserver.session.call_control import PAUSE_S, WENT_ON
from voiceserver.session.call_tools import CallTools
from voiceserver.session.items import Item, Part
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings

RATE_HZ = 24_000
GOODBYE_S = 2.0
HANG_UP = ToolCall("k", "hang_up", "{}")


class Call:
    """A session whose client plays what it gets, and whose reminders come when they are due."""

    def __init__(self) -> None:
        numbers = count()
        tools = CallTools(hang_up=True, transfer_to={"sales": "1001"})
        settings = SessionSettings(instructions="", call_tools=tools)
        self.session = Session("s", settings, Limits(), lambda p: f"{p}{next(numbers)}")
        self.session.engine_ready(RATE_HZ, hears_audio=False, calls_tools=True)
        self.now_s = 0.0
        self.listened = 0
        self.effects: list[n.Effect] = []
        self.reminders: list[float] = []

    def drain(self) -> list[n.Effect]:
        new = self.session.drain()
        self.effects += new
        self.reminders += [self.now_s + e.in_s for e in new if isinstance(e, n.Remind)]
        return new

    def asked(self, text: str = "bye") -> m.Respond:
        item = Item(f"typed {text}", role="user", parts=(Part("input_text", text),))
        self.session.create_item(item, None)
        self.session.create_response(self.session.settings.reply_options(), self.now_s)
        told = [e.message for e in self.drain() if isinstance(e, n.TellEngine)]
        return [message for message in told if isinstance(message, m.Respond)][-1]

    def says(self, r: m.Respond, *calls: ToolCall, seconds: float = GOODBYE_S) -> None:
        address = (r.session_id, r.epoch, r.response_id)
        if seconds:
            self.session.engine_said(m.TextDelta(*address, "Goodbye."), self.now_s)
            pcm16 = bytes(2 * int(seconds * RATE_HZ))
            word = m.WordTiming("Goodbye", 0, 8, 0.0, seconds)
            self.session.engine_said(m.AudioDelta(*address, pcm16, (word,)), self.now_s)
        ended = m.ResponseEnded(*address, m.EndReason.COMPLETED, 1, 2, 3, calls=calls)
        self.session.engine_said(ended, self.now_s)
        self.drain()

    def wait(self, until_s: float) -> None:
        """Let time pass, with the reminders that fall into it."""
        while self.reminders and min(self.reminders) <= until_s:
            self.now_s = min(self.reminders)
            self.reminders.remove(self.now_s)
            self.session.reminded(self.now_s)
            self.drain()
        self.now_s = until_s

    def ended(self) -> list[n.EndCall]:
        return [effect for effect in self.effects if isinstance(effect, n.EndCall)]

    def results(self) -> list[str]:
        items = self.session.conversation.items()
        return [item.output for item in items if item.kind == "function_call_output"]

    def user_speaks(self) -> None:
        for _ in range(20):
            self.now_s += 0.032
            self.session.audio(b"\0\0" * VAD_WINDOW_SAMPLES, self.now_s)
            self.listened += VAD_WINDOW_SAMPLES
            heard = m.SpeechActivity("s", self.listened, 0.95, -20.0, 0.0)
            self.session.engine_said(heard, self.now_s)
        self.drain()


def test_the_model_is_offered_what_it_may_do() -> None:
    respond = Call().asked()
    assert [f.name for f in respond.tools.functions] == ["hang_up", "transfer_call"]
    schema = respond.tools.functions[1].parameters
    assert schema["properties"]["destination"]["enum"] == ["sales"]


def test_the_line_is_closed_when_the_goodbye_has_been_heard() -> None:
    call = Call()
    call.says(call.asked(), HANG_UP)
    call.wait(GOODBYE_S)
    assert call.ended() == []
    call.wait(GOODBYE_S + 2 * PAUSE_S)
    [ended] = call.ended()
    assert (ended.item.name, ended.target) == ("hang_up", None)
    call.wait(60.0)
    assert len(call.ended()) == 1


def test_without_a_word_it_is_closed_at_once() -> None:
    call = Call()
    call.says(call.asked(), HANG_UP, seconds=0)
    call.wait(PAUSE_S)
    assert len(call.ended()) == 1


def test_who_goes_on_speaking_is_not_hung_up_on() -> None:
    call = Call()
    call.says(call.asked(), HANG_UP)
    call.wait(1.0)
    call.user_speaks()
    call.wait(30.0)
    assert call.ended() == []
    assert call.results() == [WENT_ON]


def test_another_reply_prevents_it_too() -> None:
    call = Call()
    call.says(call.asked(), HANG_UP)
    call.says(call.asked("wait"))
    call.wait(30.0)
    assert call.ended() == []


def test_a_caller_is_handed_to_whom_the_operator_named() -> None:
    call = Call()
    call.says(call.asked(), ToolCall("k", "transfer_call", '{"destination": "sales"}'))
    call.wait(10.0)
    assert [ended.target for ended in call.ended()] == ["1001"]


@pytest.mark.parametrize("arguments", ['{"destination": "0900 666"}', "{}", "[]", "no JSON"])
def test_nobody_else_is_called(arguments: str) -> None:
    call = Call()
    call.says(call.asked(), ToolCall("k", "transfer_call", arguments))
    call.wait(10.0)
    assert call.ended() == []
    assert call.results() == ["There is no such destination."]
    replies = [e for e in call.effects if isinstance(e, n.ReplyCreated)]
    assert len(replies) == 2, "the model says so"


def test_a_transfer_that_fails_is_spoken_of() -> None:
    call = Call()
    call.says(call.asked(), ToolCall("k", "transfer_call", '{"destination": "sales"}'))
    call.wait(10.0)
    call.session.call_control.failed(call.ended()[0].item, "Nobody answers.", call.now_s)
    told = [e.message for e in call.drain() if isinstance(e, n.TellEngine)]
    [respond] = [message for message in told if isinstance(message, m.Respond)]
    assert respond.dialogue[-1].text == "Nobody answers."


def test_outside_the_conversation_nothing_is_done() -> None:
    call = Call()
    options = call.session.settings.reply_options()
    call.session.create_response(replace(options, in_conversation=False), 0.0)
    told = [e.message for e in call.drain() if isinstance(e, n.TellEngine)]
    call.says([message for message in told if isinstance(message, m.Respond)][-1], HANG_UP)
    call.wait(30.0)
    assert call.ended() == []
