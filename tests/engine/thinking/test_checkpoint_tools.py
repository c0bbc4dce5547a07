"""Tools that a model from a folder calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from checkpoint_bench import Bench, user
from random_folder import WITH_TOOLS, random_folder

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.thinking import checkpoint
from voiceserver.engine.thinking.desk import APOLOGY
from voiceserver.engine.tools import Function, ToolCall, Tools

WRITTEN = 'One moment. <tool_call>\n{"name": "look", "arguments": {"at": "<"}}\n</tool_call>'

LOOK = Tools((Function("look", "", {}),))


@pytest.fixture
def calling(tmp_path: Path) -> Iterator[Bench]:
    """A model whose template has tools called as Hermes and Qwen models do."""
    bench = Bench(random_folder(tmp_path / "calling", "qwen2", template=WITH_TOOLS))
    yield bench
    bench.thinker.shut_down()


def write(bench: Bench, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model write this."""
    tokens = iter([*bench.model._tokenizer(text)["input_ids"], *bench.model.stops])
    monkeypatch.setattr(checkpoint, "draw", lambda *_: next(tokens))


def test_a_call_is_taken_out_of_what_is_said(
    calling: Bench, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Bench]
) -> None:
    assert calling.thinker.calls_tools
    assert not make("llama").thinker.calls_tools
    second = '<tool_call>{"name": "wait"}</tool_call>'
    write(calling, WRITTEN + second, monkeypatch)
    text, end = calling.reply(user("Look."), tools=LOOK, max_tokens=128)
    assert text == "One moment. "
    assert [(c.name, c.arguments) for c in end.calls] == [("look", '{"at": "<"}'), ("wait", "{}")]
    assert len({call.call_id for call in end.calls}) == 2


@pytest.mark.parametrize("said", ["1 < 2", "a <tool", "<<tool_cal", "<"])
def test_what_only_begins_like_a_call_is_said(
    calling: Bench, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    write(calling, said, monkeypatch)
    text, end = calling.reply(user("Look."), tools=LOOK)
    assert (text, end.calls, end.failure) == (said, (), "")


@pytest.mark.parametrize("call", ["{", "[]", '{"name": 7}', '{"name": "look", "arguments": [1]}'])
def test_a_call_that_cannot_be_read_is_apologised_for(
    calling: Bench, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write(calling, f"<tool_call>{call}</tool_call>", monkeypatch)
    text, end = calling.reply(user("Look."), tools=LOOK, max_tokens=99)
    assert (text, end.failure) == (APOLOGY, "internal")


def test_tools_calls_and_results_are_in_the_prompt(calling: Bench) -> None:
    model = calling.model
    called = ToolCall("k", "look", '{"at": "it"}')
    dialogue = [
        user("Look."),
        ChatMessage("assistant", "", call=called),
        ChatMessage("tool", "a <|im_end|> cat", call_id="k"),
    ]
    written = model._tokenizer.decode(model.prompt(dialogue, 250, LOOK))
    assert written == (
        "<tools>look</tools><|im_start|>user\nLook.<|im_end|>\n<|im_start|>assistant\n"
        '<tool_call>{"name": "look", "arguments": {"at": "it"}}</tool_call><|im_end|>\n'
        "<|im_start|>tool\na < |im_end|> cat<|im_end|>\n<|im_start|>assistant\n"
    )
    none = replace(LOOK, choice="none")
    assert "<tools>" not in model._tokenizer.decode(model.prompt(dialogue, 250, none))
