"""A model that speaks always, told as replies; and as it is, where there are no turns."""

from __future__ import annotations

import itertools
from array import array

import pytest

from voiceserver.config import Limits
from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    EndReason,
    Instruct,
    Respond,
    ResponseEnded,
    SpeechActivity,
)
from voiceserver.errors import ClientError
from voiceserver.session import notices as n
from voiceserver.session.continuous import HANGOVER_S, level_dbfs
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings

RATE_HZ = 16_000
CHUNK_S = 0.16
WINDOW = 512


def piece(amplitude: int) -> bytes:
    """A chunk of a square wave."""
    return array("h", [amplitude, -amplitude] * 1280).tobytes()


LOUD, FAINT, SILENT = piece(3000), piece(120), piece(2)


class Talk:
    """A session on a continuous engine, chunk after chunk of its voice."""

    def __init__(self, *, passes_stream: bool = False) -> None:
        ids = itertools.count()
        settings = SessionSettings(instructions="Be brief.")
        self.session = Session("s", settings, Limits(), lambda prefix: f"{prefix}_{next(ids)}")
        self.session.voice.passes_stream = passes_stream
        self.session.engine_ready(RATE_HZ, hears_audio=False, continuous=True)
        self.now_s = 100.0
        self.all: list[n.Effect] = self.session.drain()

    def hear(self, *pieces: bytes) -> list[n.Effect]:
        effects: list[n.Effect] = []
        for pcm16 in pieces:
            self.now_s += CHUNK_S
            self.session.engine_said(AudioDelta("s", 0, "", pcm16, ()), self.now_s)
            effects += self.session.drain()
        self.all += effects
        return effects

    def user(self, windows: int, probability: float) -> list[n.Effect]:
        effects: list[n.Effect] = []
        for _ in range(windows):
            self.session.audio(b"\1\0" * WINDOW, self.now_s)
            end = self.session.ears.clock.received_samples
            window = SpeechActivity("s", end, probability, -20.0, 0.0)
            self.session.engine_said(window, self.now_s)
            effects += self.session.drain()
        self.all += effects
        return effects

    def told(self, kind: type) -> list[object]:
        """Messages of this kind to the engine."""
        sent = [e.message for e in self.all if isinstance(e, n.TellEngine)]
        return [message for message in sent if isinstance(message, kind)]


def of(effects: list[n.Effect], *kinds: type) -> list[str]:
    return [type(effect).__name__ for effect in effects if isinstance(effect, kinds)]


TURNS = (n.ReplyCreated, n.ReplyAudio, n.ReplyDone)
HANGOVER = round(HANGOVER_S / CHUNK_S)


def test_levels() -> None:
    assert level_dbfs(b"") == -120.0
    assert level_dbfs(piece(0)) == -120.0
    assert level_dbfs(piece(16384)) == pytest.approx(-6.02, abs=0.01)
    assert level_dbfs(piece(120)) == pytest.approx(-48.7, abs=0.1)


def test_sound_begins_a_reply_and_silence_ends_it() -> None:
    talk = Talk()
    assert of(talk.hear(*[SILENT] * 10), *TURNS) == []
    assert of(talk.hear(LOUD), *TURNS) == ["ReplyCreated", "ReplyAudio"]
    assert of(talk.hear(LOUD, SILENT, SILENT, LOUD), *TURNS) == ["ReplyAudio"] * 4  # a pause
    ending = talk.hear(*[SILENT] * (HANGOVER + 5))
    assert of(ending, *TURNS) == ["ReplyAudio"] * HANGOVER + ["ReplyDone"]
    (done,) = [effect for effect in ending if isinstance(effect, n.ReplyDone)]
    assert done.reply.status == "completed"
    assert done.reply.usage.audio_tokens == 5 + HANGOVER
    assert of(talk.hear(LOUD), *TURNS)[0] == "ReplyCreated"


def test_what_is_neither_loud_nor_silent_goes_on_but_begins_nothing() -> None:
    talk = Talk()
    assert of(talk.hear(*[FAINT] * 10), *TURNS) == []
    talk.hear(LOUD)
    assert of(talk.hear(*[FAINT] * 20), *TURNS) == ["ReplyAudio"] * 20


def test_without_turns_every_piece_passes_as_it_is() -> None:
    talk = Talk(passes_stream=True)
    pieces = [SILENT, LOUD, SILENT, FAINT]
    assert talk.hear(*pieces) == [n.StreamAudio(pcm16) for pcm16 in pieces]


def test_it_is_told_its_instructions_and_never_asked_to_respond() -> None:
    talk = Talk()
    assert talk.told(Instruct) == [Instruct("s", "Be brief.")]
    assert of(talk.user(60, 0.95), n.SpeechStarted) == ["SpeechStarted"]
    assert of(talk.user(120, 0.01), n.SpeechStopped) == ["SpeechStopped"]
    assert talk.told(Respond) == []
    talk.session.configure(SessionSettings(instructions="Sing."))
    talk.all += talk.session.drain()
    assert talk.told(Instruct)[-1] == Instruct("s", "Sing.")
    turns = talk.session.settings.turns
    assert turns is not None
    assert not turns.create_response
    assert not turns.interrupt_response
    with pytest.raises(ClientError, match="speaks by itself"):
        talk.session.create_response(talk.session.settings.reply_options(), talk.now_s)


def test_the_users_voice_does_not_cut_it() -> None:
    talk = Talk()
    talk.hear(LOUD, LOUD)
    talk.user(60, 0.95)
    assert talk.session.speaker.active is not None
    assert of(talk.hear(LOUD), *TURNS) == ["ReplyAudio"]
    assert talk.told(Cancel) == []


def test_a_client_that_cancels_hears_no_more_of_that_utterance() -> None:
    talk = Talk()
    talk.hear(LOUD, LOUD)
    talk.session.cancel_response(None, talk.now_s)
    effects = talk.session.drain()
    assert of(effects, n.ReplyDone) == ["ReplyDone"]
    assert of(talk.hear(LOUD, SILENT, LOUD), *TURNS) == []
    talk.hear(*[SILENT] * HANGOVER)
    assert of(talk.hear(LOUD), *TURNS) == ["ReplyCreated", "ReplyAudio"]


def test_a_stumble_ends_the_reply_and_the_next_sound_is_another() -> None:
    talk = Talk()
    stumble = ResponseEnded("s", 0, "", EndReason.FAILED, 0, 0, 0, message="it fell")
    talk.hear(LOUD)
    talk.session.engine_said(stumble, talk.now_s)
    (done,) = [effect for effect in talk.session.drain() if isinstance(effect, n.ReplyDone)]
    assert (done.reply.status, done.reply.error_message) == ("failed", "it fell")
    talk.session.engine_said(stumble, talk.now_s)
    assert of(talk.session.drain(), n.Failure) == ["Failure"]
    assert of(talk.hear(LOUD), *TURNS) == ["ReplyCreated", "ReplyAudio"]


def test_an_engine_that_died_and_came_back_speaks_on() -> None:
    talk = Talk()
    talk.hear(LOUD)
    talk.session.engine_lost(talk.now_s)
    assert of(talk.session.drain(), n.ReplyDone) == ["ReplyDone"]
    talk.session.engine_ready(RATE_HZ, hears_audio=False, continuous=True)
    talk.session.engine_back()
    talk.all += talk.session.drain()
    assert len(talk.told(Instruct)) == 2
    assert of(talk.hear(LOUD), *TURNS) == ["ReplyCreated", "ReplyAudio"]
