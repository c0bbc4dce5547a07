from __future__ import annotations

from typing import Any

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.thinking.chat_messages import NO_RESULT, messages
from voiceserver.engine.tools import ToolCall


def said(role: str, text: str) -> ChatMessage:
    return ChatMessage(role, text)  # type: ignore[arg-type]


def called(call_id: str) -> ChatMessage:
    return ChatMessage("assistant", "", call=ToolCall(call_id, "look", '{"a": 1}'))


def result(call_id: str, text: str) -> ChatMessage:
    return ChatMessage("tool", text, call_id=call_id)


def wire_call(call_id: str) -> dict[str, Any]:
    function = {"name": "look", "arguments": '{"a": 1}'}
    return {"id": call_id, "type": "function", "function": function}


def test_calls_of_one_reply_are_one_message_followed_by_their_results() -> None:
    dialogue = [
        said("system", "be kind"),
        said("user", "look twice"),
        said("assistant", "One moment."),
        called("a"),
        called("b"),
        result("b", "second"),
        result("a", "first"),
    ]
    assert messages(dialogue)[2:] == [
        {
            "role": "assistant",
            "content": "One moment.",
            "tool_calls": [wire_call("a"), wire_call("b")],
        },
        {"role": "tool", "tool_call_id": "a", "content": "first"},
        {"role": "tool", "tool_call_id": "b", "content": "second"},
    ]


def test_a_result_that_came_late_stands_where_its_call_does() -> None:
    dialogue = [said("user", "look"), called("a"), said("user", "well?"), result("a", "seen")]
    assert messages(dialogue)[1:] == [
        {"role": "assistant", "content": None, "tool_calls": [wire_call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": "seen"},
        {"role": "user", "content": "well?"},
    ]


def test_a_call_without_a_result_says_so_and_a_result_without_a_call_is_left_out() -> None:
    wire = messages([called("a"), result("lost", "x"), said("user", "hello")])
    assert [m["role"] for m in wire] == ["assistant", "tool", "user"]
    assert wire[1]["content"] == NO_RESULT
