"""Calls that this server makes itself, inside a session: when what came of them is spoken of."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.config import Limits
from voiceserver.engine import messages as m
from voiceserver.engine.tools import Function, ToolCall, Tools
from voiceserver.session import notices as n
from voiceserver.session.items import Item, Part
from voiceserver.session.served_tools import ServedTool, ToolError
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings

TOOLS = Tools((Function("look", "", {}), Function("own", "", {})))
SERVED = (ServedTool("look", "town", "look around"),)
LOOK = ToolCall("k", "look", '{"a": 1}')


class Call:
    """A session, told and asked directly."""

    def __init__(self) -> None:
        numbers = count()
        settings = SessionSettings(instructions="", tools=TOOLS, served=SERVED)
        self.session = Session("s", settings, Limits(), lambda p: f"{p}{next(numbers)}")
        self.session.engine_ready(24_000, hears_audio=False, calls_tools=True)
        self.now_s = 0.0
        self.listened = 0
        self.effects: list[n.Effect] = []

    def drain(self) -> list[n.Effect]:
        new = self.session.drain()
        self.effects += new
        return new

    def asked(self) -> list[m.Respond]:
        """The replies that have newly been asked of the engine."""
        told = [e.message for e in self.drain() if isinstance(e, n.TellEngine)]
        return [message for message in told if isinstance(message, m.Respond)]

    def types(self, text: str = "look") -> m.Respond:
        item = Item(f"typed {text}", role="user", parts=(Part("input_text", text),))
        self.session.create_item(item, None)
        self.respond()
        return self.asked()[-1]

    def respond(self) -> None:
        self.session.create_response(self.session.settings.reply_options(), self.now_s)

    def end(self, r: m.Respond, *calls: ToolCall) -> list[Item]:
        """The reply ends with these calls; the ones that are made for it."""
        address = (r.session_id, r.epoch, r.response_id)
        ended = m.ResponseEnded(*address, m.EndReason.COMPLETED, 1, 2, 3, calls=calls)
        self.session.engine_said(ended, self.now_s)
        return [effect.item for effect in self.drain() if isinstance(effect, n.RunTool)]

    def answer(self, call: Item, output: str = "42", error: ToolError | None = None) -> None:
        self.session.tool_calls.answered(call.item_id, output, error, self.now_s)

    def hear(self, probability: float, windows: int) -> None:
        for _ in range(windows):
            self.now_s += 0.032
            self.session.audio(b"\0\0" * VAD_WINDOW_SAMPLES, self.now_s)
            self.listened += VAD_WINDOW_SAMPLES
            heard = m.SpeechActivity("s", self.listened, probability, -20.0, 0.0)
            self.session.engine_said(heard, self.now_s)

    def turn_is_read(self, text: str) -> None:
        """The recogniser answers all it was asked."""
        told = [e.message for e in self.drain() if isinstance(e, n.TellEngine)]
        for message in told:
            if isinstance(message, m.Recognise):
                read = m.Recognised("s", message.request_id, text)
                self.session.engine_said(read, self.now_s)


def test_the_result_is_spoken_of_without_being_asked() -> None:
    call = Call()
    [made] = call.end(call.types(), LOOK)
    assert (made.name, made.served.server_label, made.arguments) == (
        "look around",
        "town",
        '{"a": 1}',
    )
    call.answer(made)
    [respond] = call.asked()
    asked, result = respond.dialogue[-2:]
    assert asked.call == LOOK
    assert (result.role, result.text, result.call_id) == ("tool", "42", "k")
    call.respond()  # the client asks as well
    assert call.asked() == []
    call.end(respond)
    call.respond()
    assert len(call.asked()) == 1, "this one follows nothing that was said"


def test_what_had_to_be_called_need_not_be_called_again() -> None:
    call = Call()
    call.session.offer(replace(TOOLS, choice="required"), SERVED)
    respond = call.types()
    assert respond.tools.choice == "required"
    [made] = call.end(respond, LOOK)
    call.answer(made)
    [respond] = call.asked()
    assert respond.tools.choice == "auto"


def test_a_result_does_not_interrupt_the_user_and_is_read_with_the_turn() -> None:
    call = Call()
    [made] = call.end(call.types(), LOOK)
    call.hear(0.95, 10)
    call.answer(made)
    assert call.asked() == []
    call.hear(0.0, 30)
    call.turn_is_read("and tell me more")
    [respond] = call.asked()
    assert [message.text for message in respond.dialogue[-2:]] == ["42", "and tell me more"]
    call.end(respond)
    assert call.asked() == []


def test_a_result_is_not_lost_when_the_user_said_nothing_after_all() -> None:
    call = Call()
    [made] = call.end(call.types(), LOOK)
    call.hear(0.95, 10)
    call.answer(made)
    call.hear(0.0, 30)
    call.turn_is_read("")
    [respond] = call.asked()
    assert respond.dialogue[-1].text == "42"


def test_what_is_asked_meanwhile_waits_for_all_results() -> None:
    call = Call()
    first, second = call.end(call.types(), LOOK, ToolCall("l", "look", "{}"))
    call.answer(first)
    call.respond()
    assert call.asked() == []
    call.answer(second, error=ToolError("http_error", "Nobody there.", 502))
    [respond] = call.asked()
    assert [m.text for m in respond.dialogue if m.role == "tool"] == ["42", "Error: Nobody there."]


def test_another_question_does_not_wait_for_a_slow_server() -> None:
    call = Call()
    [made] = call.end(call.types(), LOOK)
    respond = call.types("something else")
    call.answer(made)
    assert call.asked() == []
    call.end(respond)
    begun = [effect for effect in call.effects if isinstance(effect, n.ReplyCreated)]
    assert len(begun) == 3, "the last speaks of the result"


def test_beside_a_call_of_the_clients_nothing_is_said_unasked() -> None:
    call = Call()
    [made] = call.end(call.types(), LOOK, ToolCall("o", "own", "{}"))
    call.answer(made)
    assert call.asked() == []
    result = Item("result", "function_call_output", call_id="o", output="7")
    call.session.create_item(result, None)
    call.respond()
    [respond] = call.asked()
    assert [m.text for m in respond.dialogue if m.role == "tool"] == ["42", "7"]


@pytest.mark.parametrize("what", ["deleted", "engine lost"])
def test_a_result_that_comes_too_late_does_no_harm(what: str) -> None:
    call = Call()
    [made] = call.end(call.types(), LOOK)
    if what == "deleted":
        call.session.delete_item(made.item_id)
        call.answer(made)
        assert call.asked() == []
        return
    call.session.engine_lost(call.now_s)
    call.answer(made)
    assert call.asked() == []
    call.session.engine_back()
    [respond] = call.asked()
    assert respond.dialogue[-1].text == "42"
