from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from fake_endpoint import FakeEndpoint

from voiceserver.config import ThinkerConfig
from voiceserver.engine.family import Task
from voiceserver.engine.images import Image
from voiceserver.engine.messages import ChatMessage, EndReason
from voiceserver.engine.thinking.desk import APOLOGY, APOLOGY_MIDWAY
from voiceserver.engine.thinking.remote import PORTION_CHARS, RemoteThinker
from voiceserver.engine.thinking.thinker import Thinking
from voiceserver.engine.tools import Function, ToolCall, Tools

PATIENCE_S = 60.0  # other work may share the machine
KEY = "sk-very-secret"


class Bench:
    """A thinker and the bell it rings."""

    def __init__(self, config: ThinkerConfig) -> None:
        self._rung = threading.Event()
        self.thinker = RemoteThinker(config, self._rung.set)

    def wait(self, slot: int) -> None:
        while not self.thinker.has_more(slot):
            assert self._rung.wait(PATIENCE_S), "nothing came"
            self._rung.clear()

    def finish(self, slot: int) -> tuple[str, Thinking]:
        """Take a reply to its end."""
        text = ""
        while True:
            self.wait(slot)
            for thinking in self.thinker.step([slot]):
                text += thinking.text
                if thinking.ended is not None:
                    return text, thinking

    def reply(self, asked: str, **more: object) -> tuple[str, Thinking]:
        self.thinker.begin(0, task(asked, **more))
        return self.finish(0)


def task(asked: str, **more: object) -> Task:
    plain = Task((ChatMessage("user", asked),), True, max_tokens=99, temperature=0.0, seed=0)
    return replace(plain, **more)  # type: ignore[arg-type]


@pytest.fixture
def make(endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setenv("VOICESERVER_THINKER_KEY", KEY)
    benches: list[Bench] = []

    def making(**config: object) -> Bench:
        given = {"url": endpoint.url, "model": "m", "patience_s": PATIENCE_S} | config
        benches.append(Bench(ThinkerConfig(**given)))  # type: ignore[arg-type]
        return benches[-1]

    endpoint.bodies.clear()
    endpoint.keys.clear()
    endpoint.left.clear()
    yield making
    for bench in benches:
        bench.thinker.shut_down()


def test_a_reply_comes_word_by_word_with_its_usage(
    make: Callable[..., Bench], endpoint: FakeEndpoint
) -> None:
    text, end = make().reply("hello", temperature=0.5)
    assert text == "Hello there."
    assert end == Thinking(0, "", EndReason.COMPLETED, 31, 7)
    assert endpoint.bodies == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hello"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 99,
            "temperature": 0.5,
        }
    ]
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_images_are_shown_to_a_model_that_takes_them(
    make: Callable[..., Bench], endpoint: FakeEndpoint
) -> None:
    bench = make(images=True)
    assert bench.thinker.reads_images
    assert not make().thinker.reads_images
    shown = (Image("data:image/png;base64,AAAA", "low"), Image("https://example.com/cat.jpg"))
    for text, said in (("hello", "Hello there."), ("", "How nice.")):
        message = ChatMessage("user", text, images=shown)
        bench.thinker.begin(0, replace(task(""), dialogue=(message,)))
        assert bench.finish(0)[0] == said
    with_text, alone = (body["messages"][0]["content"] for body in endpoint.bodies)
    images = [
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"},
        },
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.jpg"}},
    ]
    assert with_text == [{"type": "text", "text": "hello"}, *images]
    assert alone == images


def test_no_key_is_sent_where_there_is_none(
    make: Callable[..., Bench], endpoint: FakeEndpoint
) -> None:
    make(key_variable="VOICESERVER_NO_SUCH_KEY").reply("hello")
    assert endpoint.keys == [None]


@pytest.mark.parametrize(
    ("asked", "text", "reason"),
    [
        ("no done", "Fine.", EndReason.COMPLETED),
        ("separators", "one\u2028two", EndReason.COMPLETED),
        ("length", "It goes on and", EndReason.MAX_TOKENS),
    ],
)
def test_streams_of_other_habits(
    make: Callable[..., Bench], asked: str, text: str, reason: EndReason
) -> None:
    said, end = make().reply(asked)
    assert (said, end.ended, end.failure) == (text, reason, "")


def test_a_text_that_comes_in_one_piece_is_taken_in_portions(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.thinker.begin(0, task("one piece"))
    bench.wait(0)
    [first] = bench.thinker.step([0])
    assert len(first.text) == PORTION_CHARS
    assert first.text + bench.finish(0)[0] == "word " * 200


@pytest.mark.parametrize(
    ("asked", "failure", "said"),
    [
        ("answer 500", "http_500", APOLOGY),
        ("answer 401", "http_401", APOLOGY),
        ("garbage", "malformed", APOLOGY),
        ("odd shape", "malformed", APOLOGY),
        ("error event", "error_event", APOLOGY),
        ("no stream", "broken_off", APOLOGY),
        ("break", "broken_off", f"I think that{APOLOGY_MIDWAY}"),
        ("end early", "broken_off", f"I think that{APOLOGY_MIDWAY}"),
        ("bad call", "malformed", APOLOGY),
    ],
)
def test_an_endpoint_that_fails_is_apologised_for(
    make: Callable[..., Bench],
    caplog: pytest.LogCaptureFixture,
    asked: str,
    failure: str,
    said: str,
) -> None:
    bench = make()
    text, end = bench.reply(asked)
    assert (text, end.ended, end.failure) == (said, EndReason.COMPLETED, failure)
    assert end.calls == ()
    assert "the thinker at http://127.0.0.1" in caplog.text
    for secret in (KEY, asked, "secret words", "I think"):
        assert secret not in caplog.text
    assert bench.reply("hello")[0] == "Hello there."


@pytest.mark.parametrize(("asked", "said"), [("nothing", APOLOGY), ("stall", APOLOGY_MIDWAY)])
def test_an_endpoint_that_falls_silent_is_left(
    make: Callable[..., Bench], endpoint: FakeEndpoint, asked: str, said: str
) -> None:
    text, end = make(patience_s=1.0).reply(asked)
    assert text.endswith(said)
    assert (end.ended, end.failure) == (EndReason.COMPLETED, "timeout")
    assert endpoint.left.wait(PATIENCE_S), "its stream was not closed"


def test_nobody_there(make: Callable[..., Bench]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        _, end = make(url=url).reply("hello")
    assert end.failure == "unreachable"


def test_a_written_reply_ends_failed(make: Callable[..., Bench]) -> None:
    text, end = make().reply("break", speak=False)
    assert text == "I think that"
    assert (end.ended, end.message) == (EndReason.FAILED, "The thinker failed: broken_off.")


def test_stopping_closes_the_stream_and_other_slots_go_on(
    make: Callable[..., Bench], endpoint: FakeEndpoint
) -> None:
    bench = make()
    bench.thinker.begin(0, task("stall"))
    bench.wait(0)
    bench.thinker.begin(1, task("hello"))
    bench.thinker.stop(0)
    assert endpoint.left.wait(PATIENCE_S), "its stream was not closed"
    assert not bench.thinker.has_more(0)
    assert bench.finish(1)[0] == "Hello there."


def test_a_reply_after_a_stopped_one_has_nothing_of_it(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.thinker.begin(0, task("stall"))
    bench.wait(0)
    bench.thinker.stop(0)
    assert bench.reply("hello")[0] == "Hello there."


def test_an_endpoint_that_refuses_fields_is_asked_plainly_from_then_on(
    make: Callable[..., Bench], endpoint: FakeEndpoint
) -> None:
    bench, endpoint.strict = make(), True
    try:
        for _ in range(2):
            assert bench.reply("hello")[0] == "Hello there."
    finally:
        endpoint.strict = False
    assert ["max_tokens" in body for body in endpoint.bodies] == [True, False, False]
    assert endpoint.bodies[-1]["max_completion_tokens"] == 99


def test_tools_are_offered_and_calls_come_whole(
    make: Callable[..., Bench], endpoint: FakeEndpoint
) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = Tools((Function("weather", "Tells it.", schema),), "function", "weather", False)
    text, end = make().reply("weather", tools=tools, open_ended=True)
    assert text == "One moment."
    assert end.calls == (
        ToolCall("call_a", "weather", '{"city": "Rome"}'),
        ToolCall("call_b", "weather", '{"city": "Oslo"}'),
    )
    body = endpoint.bodies[0]
    assert body["tools"][0]["function"] == {
        "name": "weather",
        "description": "Tells it.",
        "parameters": schema,
    }
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["parallel_tool_calls"] is False
    assert "max_tokens" not in body


def test_calls_of_endpoints_that_send_them_whole(make: Callable[..., Bench]) -> None:
    _, end = make().reply("whole calls")
    assert end.calls == (ToolCall("one", "time", "{}"), ToolCall("two", "date", "{}"))


def test_shutting_down_leaves_no_thread(endpoint: FakeEndpoint) -> None:
    bench = Bench(ThinkerConfig(endpoint.url, "m"))
    bench.thinker.begin(0, task("stall"))
    bench.wait(0)
    bench.thinker.shut_down()
    assert "remote thinker" not in [thread.name for thread in threading.enumerate()]
