"""The page against the real server with the real weights: what a person would see and hear."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from browser_kit import QUESTION, Watch
from playwright.sync_api import BrowserContext, Page, WebSocket, expect

from voiceserver.cli.own_server import RunningServer

pytestmark = pytest.mark.e2e
STORY = "Tell me a long story about a dog, a cat and the sea."
SLOW_MS = 60_000  # a busy machine may take its time; nothing here asserts how long


@pytest.fixture
def url(live_server: RunningServer) -> str:
    return live_server.page.rstrip("/")


@pytest.fixture
def told() -> list[dict[str, Any]]:
    """Every event the server has sent to the page."""
    return []


@pytest.fixture
def page(
    context: BrowserContext, url: str, watch: Watch, told: list[dict[str, Any]]
) -> Iterator[Page]:
    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: told.append(json.loads(frame)))

    page = context.new_page()
    watch.follow(page)
    page.on("websocket", listen)
    page.goto(url)
    yield page
    assert watch.unexpected() == []
    assert watch.hosts == {url}
    assert [event for event in told if event["type"] == "error"] == []


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def test_speaking_over_an_answer_stops_it_and_is_answered_aloud(
    page: Page, told: list[dict[str, Any]]
) -> None:
    page.get_by_label("Write a message").fill(STORY)
    page.keyboard.press("Enter")
    answers, questions = page.locator(".message.assistant"), page.locator(".message.user .text")
    story, answer = answers.first, answers.nth(1)
    expect(story.locator(".heard")).to_have_text(re.compile(r"\w+ \w+"), timeout=SLOW_MS)
    page.get_by_role("button", name="Start talking").click()  # the microphone asks its question
    expect(story).to_have_attribute("data-state", "interrupted", timeout=SLOW_MS)
    expect(answer).to_have_attribute("data-state", "done", timeout=SLOW_MS)  # heard to its end
    asked = questions.nth(1).inner_text()
    assert len(_words(asked) & _words(QUESTION)) >= len(_words(QUESTION)) - 1, asked
    assert len(_words(answer.locator(".heard").inner_text())) > 1
    assert answer.locator(".ahead").inner_text() == ""
    expect(answer.locator("figure li")).to_have_count(5)
    expect(answer.locator("figure li").last).to_have_text(re.compile(r"heard \d+"))
    cut = next(event for event in told if event["type"] == "conversation.item.truncated")
    assert cut["item_id"] == story.get_attribute("data-item")


def test_an_answer_that_is_skipped_is_cut_at_the_server_too(
    page: Page, told: list[dict[str, Any]]
) -> None:
    page.get_by_label("Write a message").fill(STORY)
    page.keyboard.press("Enter")
    answer = page.locator(".message.assistant").first
    expect(answer.locator(".heard")).to_have_text(re.compile(r"\w+ \w+"), timeout=SLOW_MS)
    page.keyboard.press("Escape")
    expect(answer).to_have_attribute("data-state", "interrupted", timeout=SLOW_MS)
    page.get_by_label("Write a message").fill("Thank you. Say goodbye.")
    page.keyboard.press("Enter")
    second = page.locator(".message.assistant").nth(1)
    expect(second.locator(".heard")).to_have_text(re.compile(r"\w+"), timeout=SLOW_MS)
    (cut,) = [event for event in told if event["type"] == "conversation.item.truncated"]
    assert cut["item_id"] == answer.get_attribute("data-item")
    ends = [event["response"] for event in told if event["type"] == "response.done"]
    assert ends[0]["status"] == "cancelled"
