"""Replies as sound with text: fragments of several replies are strung together as they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from voiceserver.gateway.live.pacer import Pacer
from voiceserver.gateway.live.voice import Voice
from voiceserver.session import notices as n

SOUND = bytes(2 * 2205)


def info(response: int, status: Any = "in_progress") -> n.ReplyInfo:
    return n.ReplyInfo(f"resp_{response}", f"item_{response}", True, True, None, "inf", status)


def test_replies_are_apart_and_words_are_not_torn() -> None:
    session: Any = SimpleNamespace(speaker=SimpleNamespace(voice_rate_hz=22_050))
    pacer = Pacer(24_000, 0.0)
    voice = Voice(session, pacer)
    for response, pieces in enumerate((["", "One", " and", "."], ["Two", ""], [" Three"])):
        reply = info(response)
        voice.tell(n.ReplyCreated(reply))
        for piece in pieces:
            if piece:
                voice.tell(n.ReplyText(reply, piece))
            voice.tell(n.ReplyAudio(reply, SOUND, False))  # sound may come before any word
        voice.tell(n.ReplyText(reply, "!"))
        voice.tell(n.ReplyDone(info(response, "completed"), None))
    text = "".join(f.text for delta in pacer.due(5.0) for f in delta.fragments)
    assert text == "One and.! Two! Three!"
