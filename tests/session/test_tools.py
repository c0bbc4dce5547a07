"""Function calls and their results inside a session, without sockets."""

from __future__ import annotations

from itertools import count

import pytest

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.config import Limits
from voiceserver.engine import messages as m
from voiceserver.engine.tools import NO_TOOLS, Function, ToolCall, Tools
from voiceserver.errors import ClientError
from voiceserver.session import notices as n
from voiceserver.session.items import Item, Part, function_call
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings

TOOLS = Tools((Function("look", "", {}),))
CALL = ToolCall("k", "look", "{}")


class Call:
    """A session, told and asked directly."""

    def __init__(self, *, calls_tools: bool = True, dialogue_chars: int = 6000) -> None:
        numbers = count()
        settings = SessionSettings(instructions="", tools=TOOLS)
        self.session = Session("s", settings, Limits(), lambda p: f"{p}{next(numbers)}")
        self.session.engine_ready(
            24_000, hears_audio=False, calls_tools=calls_tools, dialogue_chars=dialogue_chars
        )
        self.now_s = 0.0
        self.listened = 0

    def typed(self, text: str) -> None:
        part = Part("input_text", text)
        self.session.create_item(Item(f"typed {text[:9]}", role="user", parts=(part,)), None)

    def result(self, item_id: str = "result") -> None:
        item = Item(item_id, "function_call_output", call_id="k", output="42")
        self.session.create_item(item, None)

    def respond(self) -> None:
        self.session.create_response(self.session.settings.reply_options(), self.now_s)

    def asked(self) -> m.Respond:
        """The newest reply that was asked of the engine."""
        effects = self.session.drain()
        told = [e.message for e in effects if isinstance(e, n.TellEngine)]
        return [message for message in told if isinstance(message, m.Respond)][-1]

    def end(self, r: m.Respond, *calls: ToolCall) -> n.ReplyInfo:
        address = (r.session_id, r.epoch, r.response_id)
        ended = m.ResponseEnded(*address, m.EndReason.COMPLETED, 1, 2, 3, calls=calls)
        self.session.engine_said(ended, self.now_s)
        [done] = [e for e in self.session.drain() if isinstance(e, n.ReplyDone)]
        return done.reply

    def user_speaks(self, windows: int = 10) -> None:
        for _ in range(windows):
            self.now_s += 0.032
            self.session.audio(b"\0\0" * VAD_WINDOW_SAMPLES, self.now_s)
            self.listened += VAD_WINDOW_SAMPLES
            heard = m.SpeechActivity("s", self.listened, 0.95, -20.0, 0.0)
            self.session.engine_said(heard, self.now_s)


def test_an_engine_that_calls_nothing_is_told_of_no_tools_and_no_calls() -> None:
    call = Call(calls_tools=False)
    call.session.create_item(function_call("f", CALL), None)
    call.result()
    call.typed("hello")
    call.respond()
    respond = call.asked()
    assert respond.tools == NO_TOOLS
    assert [message.text for message in respond.dialogue] == ["hello"]
    call.result("another")
    with pytest.raises(ClientError, match="active response"):
        call.respond()


def test_calls_are_items_after_the_words() -> None:
    call = Call()
    call.typed("look")
    call.respond()
    respond = call.asked()
    assert respond.tools == TOOLS
    done = call.end(respond, CALL, ToolCall("l", "look", '{"a": 1}'))
    first, second = done.calls
    assert first.previous_item_id == "typed look"
    assert second.previous_item_id == first.item.item_id
    assert [item.item_id for item in call.session.conversation.items()][1:] == [
        first.item.item_id,
        second.item.item_id,
    ]


@pytest.mark.parametrize("forgotten", [False, True])
def test_no_two_calls_have_one_id(forgotten: bool) -> None:
    call = Call()
    call.typed("look")
    call.respond()
    twice = ToolCall("l", "look", "{}")
    first, second = call.end(call.asked(), twice, twice).calls
    if forgotten:
        call.session.delete_item(first.item.item_id)
    call.typed("look again")
    call.respond()
    [third] = call.end(call.asked(), twice).calls
    ids = [called.item.call_id for called in (first, second, third)]
    assert ids[0] == "l"
    assert len(set(ids)) == 3


@pytest.mark.parametrize("begun", [False, True])
def test_only_one_answer_to_a_result_waits(begun: bool) -> None:
    call = Call()
    call.typed("look")
    call.respond()
    respond = call.asked()
    with pytest.raises(ClientError, match="active response"):
        call.respond()
    call.result()
    address = (respond.session_id, respond.epoch, respond.response_id)
    if begun:  # its own item then comes after the result
        call.session.engine_said(m.TextDelta(*address, "I am looking."), call.now_s)
    call.respond()
    with pytest.raises(ClientError, match="active response"):
        call.respond()
    ended = m.ResponseEnded(*address, m.EndReason.COMPLETED, 1, 2, 3)
    call.session.engine_said(ended, call.now_s)
    assert "tool" in [message.role for message in call.asked().dialogue]


def test_the_users_voice_ends_the_waiting_too() -> None:
    call = Call()
    call.typed("look")
    call.respond()
    call.asked()
    call.result()
    call.respond()
    call.user_speaks()
    effects = call.session.drain()
    assert [e.reply.status for e in effects if isinstance(e, n.ReplyDone)] == ["cancelled"]
    assert not [e for e in effects if isinstance(e, n.ReplyCreated)]
    assert call.session.speaker.active is None


def test_how_much_is_read_is_the_engines_business() -> None:
    for chars, kept in ((6000, 1), (20_000, 2)):
        call = Call(dialogue_chars=chars)
        call.typed("a" * 5000)
        call.typed("b" * 5000)
        call.respond()
        assert len(call.asked().dialogue) == kept
