"""What is to be taken out of the audio is told to the engine, to a new one again."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from voiceserver.config import Limits
from voiceserver.engine.cleaning import Cleaning
from voiceserver.engine.messages import Clean
from voiceserver.session.notices import TellEngine
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings

WANTED = Cleaning(noise="near_field", echo=not Cleaning.echo)


def session(cleaning: Cleaning) -> Session:
    numbers = count()
    settings = SessionSettings(cleaning=cleaning)
    return Session("s", settings, Limits(), lambda prefix: f"{prefix}{next(numbers)}")


def told(subject: Session) -> list[Cleaning]:
    messages = [e.message for e in subject.drain() if isinstance(e, TellEngine)]
    return [message.cleaning for message in messages if isinstance(message, Clean)]


def test_an_engine_is_told_what_differs_from_the_usual() -> None:
    usual, special = session(Cleaning()), session(WANTED)
    for subject in (usual, special):
        subject.engine_ready(24_000, hears_audio=False)
    assert told(usual) == []
    assert told(special) == [WANTED]
    special.engine_lost(1.0)
    special.engine_ready(24_000, hears_audio=False)
    special.engine_back()
    assert told(special) == [WANTED]


def test_a_change_is_told_once() -> None:
    subject = session(Cleaning())
    subject.engine_ready(24_000, hears_audio=False)
    changed = replace(subject.settings, cleaning=WANTED)
    subject.configure(changed)
    subject.configure(replace(changed, instructions="Be brief."))
    subject.configure(replace(changed, cleaning=Cleaning()))
    assert told(subject) == [WANTED, Cleaning()]
