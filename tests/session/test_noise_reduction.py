"""How noise is to be reduced is told to the engine, to a new one again."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from voiceserver.config import Limits
from voiceserver.engine.messages import NoiseReduction, ReduceNoise
from voiceserver.session.notices import TellEngine
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings


def session(noise: NoiseReduction | None) -> Session:
    numbers = count()
    settings = SessionSettings(noise_reduction=noise)
    return Session("s", settings, Limits(), lambda prefix: f"{prefix}{next(numbers)}")


def told(subject: Session) -> list[NoiseReduction | None]:
    messages = [e.message for e in subject.drain() if isinstance(e, TellEngine)]
    return [message.noise for message in messages if isinstance(message, ReduceNoise)]


def test_an_engine_is_told_what_differs_from_the_usual() -> None:
    usual, special = session(None), session("near_field")
    for subject in (usual, special):
        subject.engine_ready(24_000, hears_audio=False)
    assert told(usual) == []
    assert told(special) == ["near_field"]
    special.engine_lost(1.0)
    special.engine_ready(24_000, hears_audio=False)
    special.engine_back()
    assert told(special) == ["near_field"]


def test_a_change_is_told_once() -> None:
    subject = session(None)
    subject.engine_ready(24_000, hears_audio=False)
    changed = replace(subject.settings, noise_reduction="near_field")
    subject.configure(changed)
    subject.configure(replace(changed, instructions="Be brief."))
    subject.configure(replace(changed, noise_reduction=None))
    assert told(subject) == ["near_field", None]
