"""Turns on the page, spoken and typed, against a scripted server and with real speech."""

from __future__ import annotations

import re

import numpy as np
from browser_kit import ANSWER, QUESTION, Watch
from numpy.typing import NDArray
from playwright.sync_api import Page, expect
from scripted_server import INSTRUCTIONS, ScriptedServer

from voiceserver.clock import WIRE_RATE_HZ

Speech = NDArray[np.float32]
RATE_PER_MS = WIRE_RATE_HZ // 1000


def _phase(page: Page, *names: str) -> None:
    expect(page.locator("body")).to_have_attribute("data-phase", re.compile("|".join(names)))


def _text(page: Page, item_id: str, part: str = "") -> str:
    return page.locator(f"[data-item={item_id}] .text {part}").inner_text().strip()


def _press_to_talk(page: Page, server: ScriptedServer) -> None:
    page.get_by_role("button", name="Start talking").click()
    server.wait_for("session.update")


def _write(page: Page, text: str) -> None:
    page.get_by_label("Write a message").fill(text)
    page.keyboard.press("Enter")


def test_a_spoken_turn(
    page: Page, server: ScriptedServer, question_speech: Speech, answer_speech: Speech
) -> None:
    _press_to_talk(page, server)
    _phase(page, "listening")
    server.wait_for_audio(1.0)
    server.speech_started("item_u")
    _phase(page, "hearing")
    server.wait_for_audio(3.0)
    interim = {"type": "voiceserver.input_transcript.interim", "item_id": "item_u"}
    for guess in ("What is", "What is the cap"):
        server.send({**interim, "transcript": guess})
        expect(page.locator("[data-item=item_u] .text")).to_have_text(guess)
    server.understood("item_u", QUESTION)
    expect(page.locator("[data-item=item_u] .text")).to_have_text(QUESTION)
    _phase(page, "thinking")
    ended = server.reply("a", "Paris is the capital.", answer_speech[: 1500 * RATE_PER_MS])
    _phase(page, "speaking")
    assert ended.result(10) == "completed"
    _phase(page, "listening")
    assert _text(page, "item_a", ".heard") == "Paris is the capital."
    assert _text(page, "item_a", ".ahead") == ""

    # What the server got rises and falls as what was said did, at the wire's rate. The browser's
    # noise suppression and gain control change the sound itself; other speech gives about 0.3.
    loudness = _envelope(server.heard().astype(np.float32) / 32768)
    spoken = _envelope(question_speech)
    windows = np.lib.stride_tricks.sliding_window_view(loudness, len(spoken))
    match = max(np.corrcoef(window, spoken)[0, 1] for window in windows if window.any())
    assert match > 0.65, f"the speech did not arrive whole (correlation {match:.2f})"


def _envelope(samples: Speech, step: int = WIRE_RATE_HZ // 50) -> Speech:
    """Loudness in steps of 20 ms: [S] -> [S // step]."""
    return np.abs(samples[: len(samples) // step * step]).reshape(-1, step).mean(1)


def test_speaking_over_the_answer_cuts_it_where_it_was_heard(
    page: Page, server: ScriptedServer, answer_speech: Speech
) -> None:
    _press_to_talk(page, server)
    server.reply("a", ANSWER, answer_speech)
    _phase(page, "speaking")
    expect(page.locator("[data-item=item_a] .heard")).to_contain_text("Paris")
    server.cancel()
    server.speech_started("item_u")
    cut = server.wait_for("conversation.item.truncate")
    _phase(page, "hearing")
    assert cut["item_id"] == "item_a"
    assert cut["content_index"] == 0
    said_ms = len(answer_speech) / RATE_PER_MS
    paris_ms = said_ms * (ANSWER[: ANSWER.index("Paris")].count(" ")) / len(ANSWER.split())
    assert paris_ms * 0.7 < cut["audio_end_ms"] < said_ms * 0.8
    entry = page.locator("[data-item=item_a]")
    expect(entry).to_have_attribute("data-state", "interrupted")
    expect(entry.locator(".note")).to_contain_text("Interrupted")
    heard, unheard = _text(page, "item_a", ".heard"), _text(page, "item_a", ".unheard")
    assert heard.startswith("The capital of France is Paris.")
    assert unheard
    assert ANSWER.startswith(f"{heard} {unheard}")
    decoration = entry.locator(".unheard").evaluate("e => getComputedStyle(e).textDecorationLine")
    assert decoration == "line-through"


def test_escape_skips_the_answer_and_then_ends(
    page: Page, server: ScriptedServer, answer_speech: Speech
) -> None:
    _write(page, "Tell me about Paris")
    server.wait_for("response.create")
    server.reply("a", ANSWER, answer_speech)
    _phase(page, "speaking")
    page.keyboard.press("Escape")
    server.wait_for("response.cancel")
    server.wait_for("conversation.item.truncate")
    _phase(page, "ready")
    page.keyboard.press("Escape")
    _phase(page, "idle")


def test_a_typed_turn_needs_no_microphone(
    page: Page, server: ScriptedServer, answer_speech: Speech
) -> None:
    _write(page, QUESTION)
    item = server.wait_for("conversation.item.create")["item"]
    assert item["role"] == "user"
    assert item["content"] == [{"type": "input_text", "text": QUESTION}]
    server.wait_for("response.create")
    server.reply("a", "It is Paris.", answer_speech[: 800 * RATE_PER_MS]).result(10)
    expect(page.locator(".message")).to_have_count(2)
    expect(page.locator("[data-item=item_a]")).to_have_attribute("data-state", "done")
    assert server.of_type("input_audio_buffer.append") == []
    _write(page, "Thanks")
    assert server.wait_for("conversation.item.create", 2)["item"]["content"][0]["text"] == "Thanks"
    server.wait_for("response.create", 2)
    server.reply_in_text("b", "You are welcome.")
    expect(page.locator("[data-item=item_b] .heard")).to_have_text("You are welcome.")
    expect(page.locator("#announcer")).to_contain_text("Assistant: You are welcome.")


def test_hold_to_talk_sends_only_what_is_said_while_held(
    page: Page, server: ScriptedServer
) -> None:
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("When I let go").check()
    page.get_by_role("button", name="Done").click()
    _press_to_talk(page, server)
    update = server.wait_for("session.update")
    assert update["session"]["audio"]["input"]["turn_detection"] is None
    _phase(page, "listening")
    button = page.get_by_role("button", name="Hold to talk")
    page.wait_for_timeout(300)
    assert server.of_type("input_audio_buffer.append") == []
    button.hover()
    page.mouse.down()
    _phase(page, "hearing")
    server.wait_for_audio(0.5)
    page.mouse.up()
    server.wait_for("response.create")
    kinds = [event["type"].rsplit(".", 1)[-1] for event in server.received]
    turn = [kind for kind in kinds if kind != "append"]
    assert turn == ["update", "clear", "commit", "create"]
    assert kinds.index("clear") < kinds.index("append")
    assert len(server.heard()) < 2.0 * WIRE_RATE_HZ


def test_instructions_and_turn_detection_reach_the_server(
    page: Page, server: ScriptedServer
) -> None:
    _press_to_talk(page, server)
    first = server.wait_for("session.update")["session"]
    assert first["instructions"] == INSTRUCTIONS
    assert first["audio"]["input"]["turn_detection"] == {"type": "semantic_vad"}
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Instructions").fill("Answer like a pirate.")
    page.get_by_label("After a short silence").check()
    session = server.wait_for("session.update", 3)["session"]
    assert session["instructions"] == "Answer like a pirate."
    assert session["audio"]["input"]["turn_detection"] == {"type": "server_vad"}
    page.reload()
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_label("Instructions")).to_have_value("Answer like a pirate.")
    expect(page.get_by_label("After a short silence")).to_be_checked()


def test_a_muted_microphone_sends_silence(page: Page, server: ScriptedServer) -> None:
    _press_to_talk(page, server)
    page.get_by_role("button", name="Mute").click()
    expect(page.get_by_role("button", name="Unmute")).to_have_attribute("aria-pressed", "true")
    server.wait_for_audio(0.2)
    server.received.clear()
    server.wait_for_audio(2.0)  # the question would be in here
    assert np.abs(server.heard()).max() <= 1


def test_the_meters_move_with_both_voices(
    page: Page, server: ScriptedServer, answer_speech: Speech
) -> None:
    level = "id => Number(document.getElementById(id).getAttribute('aria-valuenow')) > 20"
    _press_to_talk(page, server)
    page.wait_for_function(level, arg="user-level")
    server.reply("a", ANSWER, answer_speech)
    page.wait_for_function(level, arg="assistant-level")


def test_the_latency_of_a_turn_is_drawn(
    page: Page, server: ScriptedServer, answer_speech: Speech
) -> None:
    _write(page, QUESTION)
    server.wait_for("response.create")
    server.reply("a", "It is Paris.", answer_speech[: 800 * RATE_PER_MS])
    server.timing(
        "a", end_of_turn_ms=210.4, recognised_ms=180.0, first_text_ms=None, first_audio_ms=430.0
    )
    figure = page.locator("[data-item=item_a] figure")
    expect(figure.locator("circle")).to_have_count(4)
    legend = figure.locator("li").all_inner_texts()
    assert legend[:3] == ["understood 180", "turn over 210", "first sound sent 430"]
    heard = re.fullmatch(r"heard (\d+)", legend[3])
    assert heard
    assert 430 < int(heard[1]) < 2000
    where = [float(c.get_attribute("cx") or 0) for c in figure.locator("circle").all()]
    assert where == sorted(where)


def test_the_conversation_survives_a_lost_connection(
    page: Page, server: ScriptedServer, watch: Watch, answer_speech: Speech
) -> None:
    watch.expected.append("WebSocket connection to .* failed")
    _write(page, QUESTION)
    server.wait_for("response.create")
    server.reply("a", ANSWER, answer_speech)
    _phase(page, "speaking")
    expect(page.locator("[data-item=item_a] .heard")).to_contain_text("Paris")
    server.received.clear()
    server.stop()
    _phase(page, "reconnecting")
    expect(page.get_by_text("Connection lost")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Next try in \d+ s"))).to_be_visible()
    server.start()
    page.get_by_role("button", name="Try now").click()
    said = server.wait_for("conversation.item.create", 2)["item"]
    question = server.of_type("conversation.item.create")[0]["item"]
    assert question["content"] == [{"type": "input_text", "text": QUESTION}]
    assert said["role"] == "assistant"
    (part,) = said["content"]
    assert part["type"] == "output_text"
    assert part["text"] == _text(page, said["id"], ".heard"), "only what was heard is replayed"
    _phase(page, "ready")
    expect(page.locator(".message")).to_have_count(2)


def test_a_question_lost_with_the_connection_is_asked_again(
    page: Page, server: ScriptedServer, watch: Watch
) -> None:
    watch.expected.append("WebSocket connection to .* failed")
    _write(page, QUESTION)
    server.wait_for("response.create")
    server.drop()
    server.wait_for("response.create", 2)
    assert server.of_type("conversation.item.create")[-1]["item"]["content"][0]["text"] == QUESTION


def test_a_new_conversation_forgets_the_old_one(page: Page, server: ScriptedServer) -> None:
    _write(page, QUESTION)
    item = server.wait_for("conversation.item.create")["item"]
    page.get_by_role("button", name="New conversation").click()
    assert server.wait_for("conversation.item.delete")["item_id"] == item["id"]
    expect(page.locator(".message")).to_have_count(0)
    expect(page.get_by_role("heading", name="Talk to me.")).to_be_visible()
