"""The page as a page: keyboard, colours, small screens, plain words for every trouble."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from browser_kit import ANSWER, PLAIN_HOST, QUESTION, Watch
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, expect
from scripted_server import ScriptedServer

AUDIT = (Path(__file__).parent / "audit.js").read_text("utf-8")


def _audit(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate(AUDIT)
    return found


def _in_conversation(page: Page, server: ScriptedServer, speech: NDArray[np.float32]) -> None:
    """An interrupted answer with its figures, and a user who is speaking."""
    page.get_by_role("button", name="Start talking").click()
    server.wait_for("session.update")
    server.speech_started("item_u")
    server.understood("item_u", QUESTION)
    server.reply("a", ANSWER, speech)
    server.timing(
        "a", end_of_turn_ms=210.0, recognised_ms=180.0, first_text_ms=300.0, first_audio_ms=430.0
    )
    expect(page.locator("[data-item=item_a] .heard")).to_contain_text("Paris")
    server.cancel()
    server.speech_started("item_v")
    expect(page.locator("[data-item=item_a]")).to_have_attribute("data-state", "interrupted")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_is_legible_and_every_control_has_a_name(
    page: Page, server: ScriptedServer, answer_speech: NDArray[np.float32], scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    assert _audit(page) == [], "empty"
    _in_conversation(page, server, answer_speech)
    assert _audit(page) == [], "in conversation"
    server.send({"type": "error", "error": {"code": "x", "message": "Something broke."}})
    expect(page.get_by_role("alert")).to_contain_text("Something broke.")
    page.get_by_role("button", name="Settings").click()
    assert _audit(page) == [], "settings and an error"


def test_the_audit_finds_what_is_wrong(page: Page) -> None:
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<button></button>')")
    page.locator("#hint").evaluate("e => (e.style.color = '#ccc')")
    assert {fault[0].split()[0] for fault in _audit(page)} >= {"no", "contrast"}


def test_the_page_can_be_used_by_keyboard_alone(page: Page, server: ScriptedServer) -> None:
    names = []
    for _ in range(5):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.ariaLabel"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", f"no visible focus on {names[-1]}"
    assert names[0] == "New conversation"
    assert names[2:4] == ["Settings", "Start talking"]
    page.keyboard.press("Shift+Tab")  # back to the talk button
    page.keyboard.press("Enter")
    server.wait_for("session.update")
    body = page.locator("body")
    expect(body).to_have_attribute("data-phase", "listening")
    page.keyboard.press("Escape")
    expect(body).to_have_attribute("data-phase", "idle")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    expect(body).to_have_attribute("data-phase", "listening")
    page.get_by_label("Write a message").focus()
    page.keyboard.type("a b")
    expect(page.get_by_label("Write a message")).to_have_value("a b")
    expect(body).to_have_attribute("data-phase", "listening")


def test_escape_leaves_the_settings_and_nothing_else(page: Page, server: ScriptedServer) -> None:
    page.get_by_role("button", name="Start talking").click()
    server.wait_for("session.update")
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_label("Instructions")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Instructions")).to_be_hidden()
    expect(page.locator("body")).to_have_attribute("data-phase", "listening")


def test_colours_follow_the_system_until_the_person_chooses(page: Page) -> None:
    def ground() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", colour)[:3])

    page.emulate_media(color_scheme="dark")
    assert ground() < 150
    page.emulate_media(color_scheme="light")
    assert ground() > 600
    page.get_by_role("button", name="Switch to dark colours").click()
    assert ground() < 150
    page.reload()
    assert ground() < 150, "the choice is kept"
    expect(page.get_by_role("button", name="Switch to light colours")).to_be_visible()


def test_nothing_is_cut_off_on_a_narrow_screen(
    page: Page, server: ScriptedServer, answer_speech: NDArray[np.float32]
) -> None:
    def check() -> None:
        for width in (320, 360, 768):
            page.set_viewport_size({"width": width, "height": 720})
            root = "document.documentElement"
            assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
            expect(page.get_by_label("Write a message")).to_be_in_viewport(ratio=1)
            for button in page.get_by_role("button").all():
                box = button.bounding_box()
                assert box
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= width

    check()
    _in_conversation(page, server, answer_speech)
    check()


def test_with_reduced_motion_nothing_moves_by_itself(page: Page, server: ScriptedServer) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Start talking").click()
    server.wait_for("session.update")
    server.speech_started("item_u")
    expect(page.locator("[data-item=item_u]")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0


def test_a_blocked_microphone_is_explained(
    browser: Browser, server: ScriptedServer, watch: Watch
) -> None:
    context = browser.new_context()  # without the permission
    page = context.new_page()
    watch.follow(page)
    page.goto(server.url)
    page.get_by_role("button", name="Start talking").click()
    expect(page.get_by_role("alert")).to_contain_text("The microphone is blocked.")
    expect(page.locator("body")).to_have_attribute("data-phase", "error")
    page.get_by_label("Write a message").fill("Then I write.")
    page.keyboard.press("Enter")
    server.wait_for("response.create")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert watch.unexpected() == []
    context.close()


def test_a_missing_microphone_is_explained(page: Page) -> None:
    page.evaluate(
        """() => {
          const absent = () => Promise.reject(new DOMException("none", "NotFoundError"));
          navigator.mediaDevices.getUserMedia = absent;
        }"""
    )
    page.get_by_role("button", name="Start talking").click()
    expect(page.get_by_role("alert")).to_contain_text("No microphone was found.")


def test_a_page_over_plain_http_can_still_be_written_to(
    context: BrowserContext, server: ScriptedServer
) -> None:
    page = context.new_page()
    page.goto(f"http://{PLAIN_HOST}:{server.port}")
    page.get_by_role("button", name="Start talking").click()
    expect(page.get_by_role("alert")).to_contain_text("Use https", ignore_case=True)
    page.get_by_label("Write a message").fill(QUESTION)
    page.keyboard.press("Enter")
    assert server.wait_for("session.update")["session"]["output_modalities"] == ["text"]
    server.wait_for("response.create")
    server.reply_in_text("a", "Paris.")
    expect(page.locator("[data-item=item_a] .heard")).to_have_text("Paris.")


@pytest.mark.parametrize(
    ("models_status", "health", "words"),
    [
        (200, {"status": "ok", "sessions": 4, "session_limit": 4}, "The server is busy."),
        (401, {"status": "ok", "sessions": 0, "session_limit": 4}, "access key"),
        (200, {"status": "engine_down"}, "The speech engine is starting."),
    ],
)
def test_a_refusal_is_explained(
    page: Page,
    server: ScriptedServer,
    watch: Watch,
    models_status: int,
    health: dict[str, str | int],
    words: str,
) -> None:
    watch.expected += ["WebSocket connection to .* failed", "Failed to load resource"]
    server.refuse = True
    server.models_status = models_status
    server.health = health
    page.get_by_role("button", name="Start talking").click()
    expect(page.get_by_role("alert")).to_contain_text(words)
    server.refuse = False
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("body")).to_have_attribute("data-phase", "listening")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_server_that_is_gone_is_explained(
    page: Page, server: ScriptedServer, watch: Watch
) -> None:
    watch.expected += ["WebSocket connection to .* failed", "Failed to load resource"]
    server.stop()
    page.get_by_role("button", name="Start talking").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
    server.start()


def test_a_restarted_engine_is_told_and_the_session_goes_on(
    page: Page, server: ScriptedServer
) -> None:
    page.get_by_role("button", name="Start talking").click()
    server.wait_for("session.update")
    error = {"type": "server_error", "code": "engine_restarted", "message": "engine is gone"}
    server.send({"type": "error", "error": error})
    expect(page.get_by_role("alert")).to_contain_text("The speech engine is restarting.")
    expect(page.locator("body")).to_have_attribute("data-phase", "listening")
    server.speech_started("item_u")
    expect(page.get_by_role("alert")).to_be_hidden()
