"""The bench of sessions with small random weights: it measures, and refuses what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from voiceserver.bench.mini_omni import sessions
from voiceserver.bench.mini_omni.sessions import Machine, check, converse
from voiceserver.bench.mini_omni.subject import Subject
from voiceserver.bench.mini_omni.talkers import CHUNK_S, TURN_CHUNKS, Talker
from voiceserver.engine.messages import Cancel, Recognise, Respond, TurnBegan, UserAudio
from voiceserver.engine.mini_omni.model import MiniOmniFamily
from voiceserver.errors import VoiceserverError

SUBJECT = Subject(torch.device("cpu"), reduced=True)


@pytest.fixture(scope="module")
def family_and_bell() -> Iterator[tuple[MiniOmniFamily, threading.Event]]:
    bell = threading.Event()
    family = sessions.load(SUBJECT, 2, bell.set)
    yield family, bell
    family.shut_down()


def test_conversations_are_measured(
    family_and_bell: tuple[MiniOmniFamily, threading.Event],
) -> None:
    check(*family_and_bell)
    measured = converse(Machine(*family_and_bell), 2, seconds=3.2)
    assert len(measured.chunks_ms) == 19  # those that begin after two seconds
    assert all(ms > 0 for ms in measured.chunks_ms)
    assert measured.first_audio_ms, "somebody's turn ended within the time"
    assert measured.numbers()["late_frames"] == measured.late_frames
    assert not family_and_bell[0].work().talking, "the sessions are closed again"


def test_wrong_sound_is_not_timed(
    family_and_bell: tuple[MiniOmniFamily, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    family, bell = family_and_bell
    monkeypatch.setattr(family._sound._voice, "decode", lambda frames: 1 / 0)
    with pytest.raises(VoiceserverError, match="wrong sound"):
        check(family, bell)


def test_a_talker_speaks_listens_and_interrupts_in_every_turn() -> None:
    talker = Talker("s", offset=0.0)
    told = [m for chunk in range(2 * TURN_CHUNKS) for m in talker.chunk(chunk, chunk * CHUNK_S)]
    others = [type(message) for message in told if not isinstance(message, UserAudio)]
    assert others == [Cancel, TurnBegan, Respond, Recognise] * 2
    assert sum(isinstance(message, UserAudio) for message in told) == 2 * TURN_CHUNKS
    for respond in (message for message in told if isinstance(message, Respond)):
        question = respond.dialogue[-1]
        assert question.start_sample is not None
        assert question.end_sample is not None
        assert question.end_sample - question.start_sample == round(19 * CHUNK_S * 16_000)
