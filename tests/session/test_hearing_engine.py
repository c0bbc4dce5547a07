"""A session whose engine answers to the user's voice itself: no waiting for transcripts."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TypeVar

import pytest

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.config import Limits
from voiceserver.engine import messages as m
from voiceserver.session import notices as n
from voiceserver.session.items import Item, Part
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings, TurnSettings

RATE_HZ, FRAME_SAMPLES = 24_000, 2048
WORD = m.WordTiming("word", 0, 4, 0.0, 0.3)
Kind = TypeVar("Kind")


class Call:
    """A session and everything it wanted done."""

    def __init__(self, *, hears: bool = True, turns: TurnSettings | None = None) -> None:
        numbers = count()
        settings = SessionSettings(turns=turns or TurnSettings(), speak=True)
        self.session = Session("s", settings, Limits(), lambda p: f"{p}{next(numbers)}")
        self.session.engine_ready(RATE_HZ, hears_audio=hears)
        self.effects: list[n.Effect] = []
        self.now_s = 0.0
        self.listened = 0

    def hear(self, picture: str) -> None:
        """Windows of voice (#) and of silence (.)."""
        for sign in picture:
            self.now_s += 0.032
            self.session.audio(b"\0\0" * VAD_WINDOW_SAMPLES, self.now_s)
            self.listened += VAD_WINDOW_SAMPLES
            level, probability = (-20.0, 0.95) if sign == "#" else (-80.0, 0.01)
            self.say(m.SpeechActivity("s", self.listened, probability, level, 0.0))

    def say(self, message: m.FromEngine) -> None:
        """Something of the engine's."""
        self.session.engine_said(message, self.now_s)
        self.take()

    def take(self) -> None:
        self.effects += self.session.drain()

    def told(self, kind: type[Kind]) -> list[Kind]:
        told = [e.message for e in self.effects if isinstance(e, n.TellEngine)]
        return [message for message in told if isinstance(message, kind)]

    def noticed(self, kind: type[Kind]) -> list[Kind]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def speak(self, frames: int, text: str = "word and more") -> m.Respond:
        """The newest reply begins to sound."""
        r = self.told(m.Respond)[-1]
        address = (r.session_id, r.epoch, r.response_id)
        self.say(m.TextDelta(*address, text))
        for index in range(frames):
            words = (WORD,) if index == 0 else ()
            self.say(m.AudioDelta(*address, b"\0\0" * FRAME_SAMPLES, words))
        return r

    def read(self, text: str) -> None:
        """The newest question to the recogniser is answered."""
        self.say(m.Recognised("s", self.told(m.Recognise)[-1].request_id, text))


def test_the_answer_is_prepared_in_the_pause_without_a_transcript() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "." * 4)
    [began], [respond] = call.told(m.TurnBegan), call.told(m.Respond)
    [user] = [message for message in respond.dialogue if message.role == "user"]
    assert (user.start_sample, user.text) == (began.start_sample, "")
    assert user.end_sample == 31 * VAD_WINDOW_SAMPLES  # the window that made it a pause
    assert not call.told(m.Recognise)
    assert not call.noticed(n.ReplyCreated)
    assert respond.item_id


def test_the_answer_is_let_go_at_the_end_and_the_transcript_comes_beside_it() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "." * 20)
    [respond] = call.told(m.Respond)
    [created] = call.noticed(n.ReplyCreated)
    assert created.reply.response_id == respond.response_id
    [asked] = call.told(m.Recognise)
    assert asked.final
    call.read("what is it")
    [transcribed] = call.noticed(n.Transcribed)
    assert transcribed.text == "what is it"
    item = call.session.conversation.get(transcribed.item_id)
    assert item is not None
    assert item.text == "what is it"
    assert len(call.told(m.Respond)) == 1


def test_a_turn_that_goes_on_is_answered_anew_from_its_beginning() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "." * 6 + "#" * 20 + "." * 20)
    first, second = call.told(m.Respond)
    assert [c.epoch for c in call.told(m.Cancel)] == [first.epoch]
    assert first.dialogue[-1].start_sample == second.dialogue[-1].start_sample
    assert (first.dialogue[-1].end_sample or 0) < (second.dialogue[-1].end_sample or 0)
    began, again = call.told(m.TurnBegan)
    assert began == again


def test_an_interruption_says_how_much_was_heard_before_the_turn_is_over() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "." * 20)
    call.read("tell me")
    reply = call.speak(24)
    call.now_s += 1.4
    call.hear("#" * 8)
    began = call.told(m.TurnBegan)[-1]
    user, assistant = began.dialogue[-2:]
    assert (user.text, user.start_sample is not None) == ("tell me", True)
    assert (assistant.role, assistant.text) == ("assistant", "word")
    assert assistant.item_id == reply.item_id
    assert assistant.heard_s == pytest.approx(1.38, abs=0.2)
    call.session.truncate_item(reply.item_id, 0, 400, call.now_s)
    call.take()
    corrected = call.told(m.TurnBegan)[-1]
    assert corrected.start_sample == began.start_sample
    assert corrected.dialogue[-1].heard_s == 0.4
    call.hear("." * 20)
    assert call.told(m.Respond)[-1].dialogue[-2].heard_s == 0.4


def test_a_new_engine_reads_what_it_has_not_heard() -> None:
    call = Call()
    call.hear("." * 10 + "#" * 20 + "." * 20)
    call.read("remember this")
    call.session.engine_lost(call.now_s)
    call.session.engine_ready(RATE_HZ, hears_audio=True)
    call.session.engine_back()
    call.listened = 0
    call.hear("." * 10 + "#" * 20 + "." * 20)
    dialogue = [x for x in call.told(m.Respond)[-1].dialogue if x.role == "user"]
    assert [x.text for x in dialogue] == ["remember this", ""]
    assert dialogue[0].start_sample is None
    assert dialogue[1].start_sample is not None
    assert dialogue[1].start_sample < 10 * VAD_WINDOW_SAMPLES  # on the new engine's clock


def test_what_the_client_commits_is_answered_on_request_at_once() -> None:
    call = Call(turns=TurnSettings(create_response=False))
    call.session.configure(replace(call.session.settings, turns=None))
    call.hear("#" * 20)
    call.session.commit(call.now_s)
    call.session.create_response(call.session.settings.reply_options(), call.now_s)
    call.take()
    [respond] = call.told(m.Respond)
    assert respond.dialogue[-1].end_sample == 20 * VAD_WINDOW_SAMPLES


def test_audio_inside_an_item_waits_for_its_transcript() -> None:
    call = Call()
    clip = Item("clip", role="user", parts=(Part("input_audio", None),))
    call.session.create_item(clip, None)
    call.session.create_response(call.session.settings.reply_options(), call.now_s)
    call.take()
    assert not call.told(m.Respond)
    call.session.clip_read("clip", 0, "hello", 1.0)
    call.take()
    assert call.told(m.Respond)[-1].dialogue[-1].text == "hello"


def test_a_turn_that_waited_for_the_reply_before_it_is_answered_without_a_transcript() -> None:
    call = Call(turns=TurnSettings(interrupt_response=False))
    call.hear("." * 10 + "#" * 20 + "." * 20)
    first = call.speak(3)
    call.hear("#" * 20 + "." * 20)
    assert call.told(m.Respond) == [first]
    address = (first.session_id, first.epoch, first.response_id)
    call.say(m.ResponseEnded(*address, m.EndReason.COMPLETED, 1, 2, 3, concealed_frames=2))
    assert call.noticed(n.ReplyDone)[0].reply.concealed_frames == 2
    second = call.told(m.Respond)[-1]
    assert second is not first
    assert [message.role for message in second.dialogue[1:]] == ["user", "assistant", "user"]


def test_an_engine_that_only_reads_is_told_nothing_of_audio() -> None:
    call = Call(hears=False)
    call.hear("." * 10 + "#" * 20 + "." * 20)
    assert not call.told(m.TurnBegan)
    assert not call.told(m.Respond)
    call.read("what is it")
    [respond] = call.told(m.Respond)
    assert respond.dialogue[-1].start_sample is None
    assert respond.dialogue[-1].text == "what is it"
