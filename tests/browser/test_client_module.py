"""The example page, which uses the JavaScript module: spoken, written, interrupted, reconnected."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_kit import Watch
from playwright.sync_api import BrowserContext, Page, expect

sys.path.insert(0, str(Path(__file__).parent.parent / "gateway"))  # the scripted engine's server

from gateway_calls import Gateway, running_gateway

from voiceserver.engine.messages import Respond


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("example") / "journal") as running:
        yield running


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Iterator[Page]:
    page = context.new_page()
    watch.follow(page)
    yield page
    page.goto("about:blank")
    assert watch.unexpected() == []


def _write(page: Page, text: str) -> None:
    page.get_by_label("Write").fill(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_speaking_stops_the_answer_and_is_answered(
    page: Page, gateway: Gateway, transport: str
) -> None:
    page.goto(f"{gateway.http}/example.html?transport={transport}")
    _write(page, "a long one")
    story = page.locator("li.assistant").first
    expect(story).to_have_text(re.compile("word2"))
    page.get_by_role("button", name="Start").click()  # the microphone asks its question
    expect(story).to_have_attribute("data-state", "interrupted")
    expect(page.locator("li.user").nth(1)).to_have_text(re.compile(r"turn \d"))
    expect(page.locator("li.assistant").last).to_have_text(re.compile(r"I heard (turn \d ?)+\."))
    (line,) = gateway.state.connections
    told = gateway.told(line.session_id, Respond)[-1].dialogue
    remembered = next(m.text for m in told if m.text.startswith("word0")).split()
    shown = story.inner_text().removesuffix(" [interrupted]").split()
    assert abs(len(remembered) - len(shown)) <= 1
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#phase")).to_have_text("idle")


def test_a_lost_connection_comes_back_with_the_conversation(page: Page, gateway: Gateway) -> None:
    page.goto(f"{gateway.http}/example.html")
    _write(page, "remember me")
    expect(page.locator("li.assistant")).to_have_attribute("data-state", "done")
    (line,) = gateway.state.connections
    loop = gateway.server._loop
    assert loop is not None
    loop.call_soon_threadsafe(line.end, 1011, "lost")
    expect(page.locator("#phase")).to_have_text("reconnecting")
    expect(page.locator("#phase")).to_have_text("ready")
    _write(page, "who am I")
    expect(page.locator("li.assistant").nth(1)).to_have_text("I heard who am I.")
    (line,) = gateway.state.connections
    told = [m.text for m in gateway.told(line.session_id, Respond)[-1].dialogue]
    assert told[1:] == ["remember me", "I heard remember me.", "who am I"]
