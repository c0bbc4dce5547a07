from __future__ import annotations

import pytest
from fake_endpoint import SCRIPTS

from voiceserver.engine.messages import EndReason
from voiceserver.engine.thinking.chat_stream import (
    MOST_LINE_BYTES,
    ChatFailed,
    ChatStream,
    EventLines,
)
from voiceserver.engine.tools import ToolCall


def read(data: bytes, size: int) -> tuple[str, ChatStream]:
    """The text of a stream that arrives in pieces of this size."""
    lines, stream, text = EventLines(), ChatStream(), ""
    for at in range(0, len(data), size):
        for line in lines.feed(data[at : at + size]):
            text += stream.take(line) or ""
    return text, stream


@pytest.mark.parametrize("size", [1, 3, 7, 64, 10_000])
def test_a_stream_reads_the_same_however_it_is_cut(size: int) -> None:
    for end_of_line in ("\n", "\r\n"):
        data = "".join(SCRIPTS["weather"]).replace("\n", end_of_line).encode()
        text, stream = read(data, size)
        assert text == "One moment."
        assert stream.calls() == (
            ToolCall("call_a", "weather", '{"city": "Rome"}'),
            ToolCall("call_b", "weather", '{"city": "Oslo"}'),
        )
        assert (stream.end, stream.over) == (EndReason.COMPLETED, True)
        assert (stream.prompt_tokens, stream.text_tokens) == (31, 7)


@pytest.mark.parametrize(
    "data",
    [
        "nothing",
        "[]",
        "7",
        '{"choices": 7}',
        '{"choices": {"a": 1}}',
        '{"choices": ["x"]}',
        '{"choices": [{"delta": {"content": 7}}]}',
        '{"choices": [{"delta": {"content": ["a"]}}]}',
        '{"choices": [{"delta": {"tool_calls": [7]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"index": "x"}]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {}, "name": 1}}]}}]}',
        '{"choices": [], "usage": {"prompt_tokens": Infinity}}',
        '{"choices": [], "usage": 1}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_events_of_the_wrong_shape_are_refused_without_their_words(data: str) -> None:
    with pytest.raises(ChatFailed) as failure:
        ChatStream().take(data)
    assert failure.value.reason == "malformed"
    assert data not in str(failure.value)


@pytest.mark.parametrize("arguments", ["{", "[1]", "7", "null"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    stream = ChatStream()
    stream._take_call({"id": "a", "function": {"name": "look", "arguments": arguments}})
    with pytest.raises(ChatFailed, match="arguments"):
        stream.calls()


def test_a_call_without_a_name_is_refused() -> None:
    stream = ChatStream()
    stream._take_call({"id": "a", "function": {"arguments": "{}"}})
    with pytest.raises(ChatFailed, match="name"):
        stream.calls()


def test_a_line_without_an_end_is_refused() -> None:
    lines, half = EventLines(), b"x" * (MOST_LINE_BYTES // 2)
    assert not list(lines.feed(half))
    assert not list(lines.feed(half))
    with pytest.raises(ChatFailed):
        list(lines.feed(half))
