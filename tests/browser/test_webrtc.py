"""The page over WebRTC, in a real browser, against the real gateway with the scripted engine."""

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
from voiceserver.gateway.webrtc.call import Call


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server whose assistant answers what is spoken for 24 s."""
    journal = tmp_path_factory.mktemp("talkative") / "journal"
    with running_gateway(journal, say="long turn %d") as running:
        yield running


@pytest.fixture
def page(context: BrowserContext, talkative: Gateway, watch: Watch) -> Iterator[Page]:
    page = context.new_page()
    watch.follow(page)
    page.goto(talkative.http)
    page.evaluate(
        """localStorage.setItem("voiceserver.settings", JSON.stringify({ transport: "webrtc" }))"""
    )
    page.reload()
    yield page
    page.goto("about:blank")
    _all_gone(page, talkative)
    assert watch.unexpected() == []
    assert watch.hosts == {talkative.http}


def _all_gone(page: Page, gateway: Gateway) -> None:
    """The server learns at once that somebody has left."""
    for _ in range(60):
        if not gateway.state.connections:
            return
        page.wait_for_timeout(50)
    raise AssertionError("a call goes on that nobody is in")


def _write(page: Page, text: str) -> None:
    page.get_by_label("Write a message").fill(text)
    page.keyboard.press("Enter")


def _phase(page: Page, name: str) -> None:
    expect(page.locator("body")).to_have_attribute("data-phase", name)


def _call(gateway: Gateway) -> Call:
    (call,) = gateway.state.connections
    assert isinstance(call, Call)
    return call


def test_a_written_question_is_answered_aloud(page: Page, talkative: Gateway) -> None:
    _write(page, "hello")
    answer = page.locator(".message.assistant")
    expect(answer.locator(".heard")).to_have_text("I heard hello.")
    expect(answer).to_have_attribute("data-state", "done")
    assert answer.locator(".ahead").inner_text() == ""
    expect(answer.locator("figure li").last).to_have_text(re.compile(r"heard \d+"))
    expect(page.locator("#transport")).to_have_text("Connected over WebRTC")
    _phase(page, "ready")
    page.get_by_role("button", name="End", exact=True).click()
    expect(page.locator("#transport")).to_have_text("")
    _all_gone(page, talkative)


def test_the_voice_can_be_heard_and_words_follow_it(page: Page) -> None:
    _write(page, "a long one")
    heard, ahead = page.locator(".message .heard"), page.locator(".message .ahead")
    expect(heard.last).to_have_text(re.compile("word3"))
    expect(ahead.last).to_have_text(re.compile(r"word\d+"))
    meter = page.locator("#assistant-level")
    expect(meter).not_to_have_attribute("aria-valuenow", "0")
    assert len(heard.last.inner_text().split()) < 30  # not all at once
    page.keyboard.press("Escape")
    answer = page.locator(".message.assistant")
    expect(answer).to_have_attribute("data-state", "interrupted")
    expect(meter).to_have_attribute("aria-valuenow", "0")
    _phase(page, "ready")


def test_speaking_stops_the_answer_where_the_server_says(page: Page, talkative: Gateway) -> None:
    _write(page, "a long one")
    story = page.locator(".message.assistant").first
    expect(story.locator(".heard")).to_have_text(re.compile("word2"))
    page.get_by_role("button", name="Start talking").click()  # the microphone asks its question
    expect(story).to_have_attribute("data-state", "interrupted")
    expect(page.locator(".message.user .text").nth(1)).to_have_text(re.compile("long turn"))
    expect(page.locator(".message.assistant").nth(1)).to_be_visible()
    told = talkative.told(_call(talkative).session_id, Respond)[-1].dialogue
    remembered = next(m.text for m in told if m.text.startswith("word0")).split()
    shown = story.locator(".heard").inner_text().split()
    assert abs(len(remembered) - len(shown)) <= 1


def test_a_hold_to_talk_turn(page: Page, talkative: Gateway) -> None:
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("When I let go").click()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Start talking").click()
    button = page.get_by_role("button", name="Hold to talk")
    button.wait_for()
    page.wait_for_timeout(700)  # the microphone begins to speak
    heard = _call(talkative)._session.ears.clock
    before = heard.received_samples
    button.hover()
    page.mouse.down()
    page.wait_for_timeout(900)
    page.mouse.up()
    expect(page.locator(".message.user .text")).to_have_text(re.compile("long turn"))
    after = heard.received_samples
    assert 0.7 < (after - before) / 16_000 < 1.5  # nothing is sent but what was held
    expect(page.locator(".message.assistant .heard")).to_have_text(re.compile("word1"))


def test_changing_the_transport_goes_on_with_the_conversation(page: Page) -> None:
    _write(page, "hello")
    expect(page.locator(".message.assistant .heard")).to_have_text("I heard hello.")
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("Over WebSocket").click()
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#transport")).to_have_text("Connected over WebSocket")
    _write(page, "and again")
    expect(page.locator(".message.assistant .heard").nth(1)).to_have_text("I heard and again.")
    expect(page.locator(".message")).to_have_count(4)


def test_a_full_server_is_explained(page: Page, talkative: Gateway, watch: Watch) -> None:
    watch.expected += ["Failed to load resource"]
    talkative.state.draining = True
    page.get_by_role("button", name="Start talking").click()
    expect(page.get_by_role("alert")).to_contain_text("The server is stopping.")
    talkative.state.draining = False
    page.get_by_role("button", name="Try again").click()
    _phase(page, "listening")
