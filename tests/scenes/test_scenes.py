"""Dialogues and live scenes: the same from the same seed, and every event where it sounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tones import Tones

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes import dialogues, live
from voiceserver.scenes.channels import NO_ROOM, Conditions
from voiceserver.scenes.dialogues import Dialogue, dialogue
from voiceserver.scenes.live import KINDS, TURN_KINDS, Scene, scene

SILENT = Conditions(
    near=NO_ROOM,
    far=NO_ROOM,
    gain=1.0,
    floor=1e-5,
    bed=None,
    bed_gain=0.0,
    telephone=None,
    echo=None,
)
REPLIES = [
    (0.3 * np.cos(2 * np.pi * 400 * np.arange(n * LISTEN_RATE_HZ) / LISTEN_RATE_HZ)).astype("f4")
    for n in (2, 4, 7)
]


@pytest.fixture
def in_a_silent_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what the events say is heard."""
    monkeypatch.setattr(dialogues, "draw_conditions", lambda *_: SILENT)
    monkeypatch.setattr(live, "draw_conditions", lambda *_: SILENT)
    monkeypatch.setattr(live, "KokoroSpeech", lambda part: Tones())


def _made(seed: int) -> Dialogue:
    return dialogue(np.random.default_rng(seed), Tones(), REPLIES, length_s=20.0)


def test_the_same_seed_gives_the_same_dialogue() -> None:
    first, second = _made(5), _made(5)
    np.testing.assert_array_equal(first.user, second.user)
    np.testing.assert_array_equal(first.own, second.own)
    assert first.events == second.events
    assert _made(6).events != first.events


@pytest.mark.usefixtures("in_a_silent_room")
@pytest.mark.parametrize("seed", range(12))
def test_sound_is_where_the_events_of_a_dialogue_say(seed: int) -> None:
    made = _made(seed)
    assert len(made.user) == len(made.own)
    loud = np.abs(made.user) > 0.004
    sounding = np.zeros(len(made.user), bool)
    for event in made.events:
        if event.kind in ("own", "pause"):
            continue
        sounding[event.begin : event.end] = True
        if event.kind in ("turn", "interruption", "backchannel", "aside"):
            assert loud[event.begin], event  # a tone is loud from its first sample on
            assert loud[event.end - 60 : event.end].any(), event
    assert not loud[~sounding].any()
    for event in made.events:
        if event.kind == "pause":
            assert event.end - event.begin > 0.29 * LISTEN_RATE_HZ


@pytest.mark.usefixtures("in_a_silent_room")
@pytest.mark.parametrize("seed", range(6))
def test_the_assistant_is_heard_in_its_own_spans_only(seed: int) -> None:
    made = _made(seed)
    sounding = np.zeros(len(made.own), bool)
    for event in made.events:
        if event.kind == "own":
            assert abs(made.own[event.begin]) > 0.1
            sounding[event.begin : event.end] = True
    assert not made.own[~sounding].any()


@pytest.mark.usefixtures("in_a_silent_room")
def test_all_that_may_happen_happens() -> None:
    events = [event for seed in range(30) for event in _made(seed).events]
    assert {event.kind for event in events} == {
        "turn",
        "pause",
        "filler",
        "interruption",
        "backchannel",
        "aside",
        "noise",
        "broadcast",
        "own",
    }


def _same(one: Scene, other: Scene) -> bool:
    return (
        np.array_equal(one.sound, other.sound)
        and np.array_equal(one.ambience, other.ambience)
        and one.events == other.events
        and (one.begin_s, one.prompt) == (other.begin_s, other.prompt)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_live_scenes_repeat(kind: live.SceneKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KokoroSpeech", lambda part: Tones())
    monkeypatch.setattr(live, "AMBIENCE_S", 2.0)
    assert _same(scene(kind, 3, seed=1), scene(kind, 3, seed=1))
    assert not _same(scene(kind, 3, seed=1), scene(kind, 4, seed=1))
    assert not _same(scene(kind, 3, seed=1), scene(kind, 3, seed=2))


@pytest.mark.usefixtures("in_a_silent_room")
@pytest.mark.parametrize("kind", KINDS)
def test_live_scenes_are_about_their_first_event(
    kind: live.SceneKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "AMBIENCE_S", 1.0)
    for number in range(4):
        made = scene(kind, number)
        assert made.subject.begin == 0
        assert (made.prompt is None) == (kind in TURN_KINDS)
        pauses = [event for event in made.events if event.kind == "pause"]
        assert (len(pauses) in (1, 2)) if kind == "pause" else not pauses
        loud = np.flatnonzero(np.abs(made.sound) > 0.004)
        if kind == "echo":
            assert made.echo is not None
            assert not len(loud)
            continue
        assert made.subject.end - 60 <= loud[-1] + 1 <= made.subject.end
        assert all(event.end <= made.subject.end for event in made.events)


def test_telephones_and_echo_do_not_move_a_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    line = replace(SILENT, telephone="ulaw")
    monkeypatch.setattr(live, "KokoroSpeech", lambda part: Tones())
    monkeypatch.setattr(live, "draw_conditions", lambda *_: SILENT)
    near = scene("turn_end", 0)
    monkeypatch.setattr(live, "draw_conditions", lambda *_: line)
    far = scene("turn_end", 0)
    assert near.events == far.events
    first = [int(np.flatnonzero(np.abs(s.sound) > 0.05)[0]) for s in (near, far)]
    assert abs(first[0] - first[1]) < 0.01 * LISTEN_RATE_HZ
