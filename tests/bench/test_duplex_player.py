"""Whole scenes against a real gateway whose engine speaks tones by rule."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from voiceserver.bench.duplex import run
from voiceserver.bench.duplex.book import Book, this_run
from voiceserver.bench.duplex.listener import Listener
from voiceserver.bench.duplex.measures import NotRun, StopOutcome, TurnOutcome
from voiceserver.bench.duplex.plan import Plan
from voiceserver.bench.duplex.played import judge
from voiceserver.bench.duplex.player import _EchoAt, play
from voiceserver.bench.duplex.recording import Recording
from voiceserver.cli.own_server import RunningServer
from voiceserver.clock import LISTEN_RATE_HZ, WIRE_RATE_HZ
from voiceserver.errors import VoiceserverError
from voiceserver.scenes.channels import EchoPath
from voiceserver.scenes.live import Scene, SceneKind, scene
from voiceserver.scenes.noises import noise_kinds
from voiceserver.scenes.stage import Event, EventKind

sys.path.insert(0, str(Path(__file__).parents[1] / "gateway"))

from gateway_calls import running_gateway


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_gateway(tmp_path_factory.mktemp("duplex") / "journal") as gateway:
        yield gateway.http.replace("http", "ws")


def _scene(
    kind: SceneKind,
    event: EventKind,
    loud_s: list[tuple[float, float]],
    prompt: str | None = None,
    echo: EchoPath | None = None,
) -> Scene:
    """Tones at these times, which the scripted engine takes for speech."""
    end_s = loud_s[-1][1]
    sound = np.zeros(int((end_s + 0.2) * LISTEN_RATE_HZ), np.float32)
    for begin_s, to_s in loud_s:
        span = np.arange(int(begin_s * LISTEN_RATE_HZ), int(to_s * LISTEN_RATE_HZ))
        sound[span] = 0.4 * np.cos(2 * np.pi * 300 * span / LISTEN_RATE_HZ)
    events = [Event(event, 0, int(end_s * LISTEN_RATE_HZ), "words")]
    for (_, begin_s), (next_s, _) in pairwise(loud_s):
        span_samples = int(begin_s * LISTEN_RATE_HZ), int(next_s * LISTEN_RATE_HZ)
        events.append(Event("pause", *span_samples))
    ambience = np.zeros(LISTEN_RATE_HZ, np.float32)
    return Scene(kind, 0, prompt, 0.5, sound, tuple(events), ambience, echo)


def _played(url: str, made: Scene) -> Recording:
    recording = asyncio.run(play(url, made))
    assert not recording.failure
    return recording


def test_a_turn_is_answered_after_its_last_word(url: str) -> None:
    recording = _played(url, _scene("turn_end", "turn", [(0.0, 1.0)]))
    outcome = judge(recording)
    assert isinstance(outcome, TurnOutcome)
    assert outcome.answered
    assert not outcome.sounds_early
    assert outcome.latency_s is not None
    assert outcome.latency_s > 0
    turn = recording.events[0]
    loud = np.flatnonzero(np.abs(recording.said) > 0.1) / WIRE_RATE_HZ
    assert loud[0] == pytest.approx(turn.begin_s, abs=0.002)
    assert loud[-1] == pytest.approx(turn.end_s, abs=0.002)


def test_a_long_pause_is_taken_for_the_end(url: str) -> None:
    made = _scene("pause", "turn", [(0.0, 0.8), (2.8, 3.4)])
    outcome = judge(_played(url, made))
    assert isinstance(outcome, TurnOutcome)
    assert outcome.pauses == 1
    assert outcome.sounds_early


def test_an_interruption_stops_the_assistant_and_a_click_does_not(url: str) -> None:
    prompt = "a long story"
    stopped = judge(_played(url, _scene("interruption", "interruption", [(0.0, 0.8)], prompt)))
    assert isinstance(stopped, StopOutcome)
    assert stopped.stopped
    assert stopped.stop_s is not None
    assert stopped.stop_s > 0.1  # the engine needs five loud windows
    clicked = judge(_played(url, _scene("noise", "noise", [(0.0, 0.05)], prompt)))
    assert isinstance(clicked, StopOutcome)
    assert not clicked.stopped


def test_a_reply_that_is_over_before_the_event_does_not_count(url: str) -> None:
    made = _scene("noise", "noise", [(3.0, 3.05)], "short")
    with pytest.raises(NotRun, match=r"not speaking|too soon"):
        judge(_played(url, made))


def test_the_microphone_hears_the_echo_of_what_is_played(url: str) -> None:
    path = EchoPath(0.1, np.array([0.001], np.float32))  # too soft to interrupt
    made = _scene("echo", "echo", [(0.0, 0.0), (1.0, 1.0)], "a long story", path)
    recording = _played(url, made)
    delay = round(0.1 * WIRE_RATE_HZ)
    length = min(len(recording.said), len(recording.heard)) - delay
    expected = 0.001 * recording.heard[:length]
    np.testing.assert_allclose(recording.said[delay : delay + length], expected, atol=2e-4)
    assert np.abs(expected).max() > 1e-4


def test_an_echo_by_packets_is_the_echo_of_the_whole() -> None:
    random = np.random.default_rng(0)
    path = EchoPath(0.05, (random.standard_normal(600) * 0.05).astype(np.float32))
    listener = Listener(0.0)
    listener.tape[3000:9000] = random.standard_normal(6000)
    echo = _EchoAt(path)
    packets = [echo.heard(listener, at, 480) for at in range(0, 24000, 480)]
    whole = np.convolve(listener.tape[:24000], echo._impulse)[: 24000 - 1200]
    np.testing.assert_allclose(np.concatenate(packets)[1200:], whole, atol=1e-4)


def test_what_did_not_run_is_repeated_with_another_scene(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scene 0 comes after the reply is over; its spare does not."""

    def made(kind: SceneKind, number: int, seed: int) -> Scene:
        prompt = "short" if number == 0 else "a long story"
        at_s = 3.0 if number == 0 else 0.0
        return _scene(kind, "noise", [(at_s, at_s + 0.05)], prompt)

    monkeypatch.setattr(run, "scene", made)
    plan, book = Plan(("noise",), 1, 2, 0), Book(this_run(0, 2, "now"))
    asyncio.run(run.measure(url, "ours", plan, book, lambda line: None))
    results = plan.results("ours", book.of("ours"))
    assert len(results.outcomes["noise"]) == 1
    assert len(results.not_run["noise"]) == 1
    assert results.not_run["noise"][0].startswith("noise:0")


def test_a_server_that_is_not_there_is_told() -> None:
    made = _scene("noise", "noise", [(0.0, 0.05)], "a long story")
    recording = asyncio.run(play("ws://127.0.0.1:9", made))
    assert "cannot reach" in recording.failure


def test_a_server_that_is_gone_ends_the_run_and_leaves_no_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = _scene("noise", "noise", [(0.0, 0.05)], "a long story")
    monkeypatch.setattr(run, "scene", lambda kind, number, seed: made)
    plan, book = Plan(("noise",), 3, 1, 0), Book(this_run(0, 1, "now"))
    with pytest.raises(VoiceserverError, match=r"takes no more calls: .*cannot reach"):
        asyncio.run(run.measure("ws://127.0.0.1:9", "ours", plan, book, lambda line: None))
    assert not book.played


@pytest.mark.e2e
def test_a_cough_in_front_of_the_real_server(live_server: RunningServer) -> None:
    """Whether it stops is measured elsewhere; that the scene runs and is judged is what counts."""
    recording = _played(live_server.url, scene("noise", 1))
    outcome = judge(recording)
    assert isinstance(outcome, StopOutcome)
    assert outcome.detail in ("cough", "cleared throat", *noise_kinds("held_out"))
    assert recording.replies[0].words_heard()
