"""Replies as sound with text: fragments of several replies are strung together as they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from voiceserver.gateway.live.pacer import Pacer
from voiceserver.gateway.live.voice import MOST_LAG_S, Voice
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


def test_a_stream_passes_straight_through_and_a_stall_is_caught_up_with() -> None:
    session: Any = SimpleNamespace(speaker=SimpleNamespace(voice_rate_hz=24_000))
    pacer = Pacer(24_000, 0.0)
    voice = Voice(session, pacer)
    for value in (1, 2):
        voice.tell(n.StreamAudio(np.full(3840, value, "<i2").tobytes()))
    heard = np.concatenate([delta.samples for delta in pacer.due(0.3)])
    assert heard.tolist() == [1] * 3840 + [2] * 3840
    for _ in range(100):
        voice.tell(n.StreamAudio(np.full(3840, 3, "<i2").tobytes()))
    assert pacer.waiting_s <= MOST_LAG_S + 0.17
