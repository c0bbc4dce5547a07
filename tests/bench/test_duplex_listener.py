"""What a user hears when, from events as they come."""

from __future__ import annotations

import numpy as np

from voiceserver.audio.pcm16 import to_pcm16
from voiceserver.bench.duplex.listener import BUFFER_S, Listener, Truncation
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver_client import (
    AudioDelta,
    Event,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    TextDelta,
)

START_S = 100.0


def _sound(seconds: float, level: float = 0.5) -> np.ndarray:
    return np.full(round(seconds * WIRE_RATE_HZ), level, np.float32)


def _audio(at_s: float, seconds: float, response: str = "r1") -> Event:
    pcm16 = to_pcm16(_sound(seconds))
    return AudioDelta("audio", START_S + at_s, {}, response, f"item_{response}", pcm16)


def _text(at_s: float, delta: str, response: str = "r1") -> Event:
    return TextDelta("text", START_S + at_s, {}, response, "i", delta)


def _done(at_s: float, status: str, response: str = "r1") -> Event:
    return ResponseDone("done", START_S + at_s, {}, response, status, None)


def _speech(at_s: float) -> Event:
    return SpeechStarted("speech", START_S + at_s, {}, "i", 0)


def _fed(*events: Event) -> tuple[Listener, list[Truncation]]:
    listener = Listener(START_S)
    return listener, [cut for event in events for cut in listener.take(event)]


def _heard_s(listener: Listener) -> list[float]:
    """Where the tape begins and ceases to sound."""
    edges = np.flatnonzero(np.diff((listener.tape != 0).astype(int), prepend=0, append=0))
    return [round(float(edge) / WIRE_RATE_HZ, 3) for edge in edges]


def test_sound_is_played_in_order_though_it_comes_ahead() -> None:
    listener, cuts = _fed(_audio(1.0, 0.5), _audio(1.1, 0.5), _audio(1.2, 0.5))
    assert not cuts
    assert _heard_s(listener) == [1.0 + BUFFER_S, 2.5 + BUFFER_S]
    assert listener.replies["r1"].pieces == [(1.0 + BUFFER_S, 2.5 + BUFFER_S)]
    assert listener.speaking_since_s() == 1.0 + BUFFER_S


def test_late_sound_leaves_a_gap() -> None:
    listener, _ = _fed(_audio(1.0, 0.5), _audio(2.0, 0.5))
    ((begin, end),) = listener.replies["r1"].gaps()
    assert (round(begin, 3), round(end, 3)) == (1.5 + BUFFER_S, 2.0 + BUFFER_S)


def test_the_users_speech_silences_what_waits_and_tells_how_much_was_heard() -> None:
    listener, cuts = _fed(_audio(1.0, 2.0), _speech(1.52))
    assert cuts == [Truncation("item_r1", 500)]
    assert _heard_s(listener) == [1.02, 1.52]
    reply = listener.replies["r1"]
    assert reply.flushed_s is not None
    assert round(reply.played_s, 3) == 0.5


def test_a_cancelled_reply_falls_silent_and_another_may_follow_at_once() -> None:
    events = (_audio(1.0, 3.0), _done(2.0, "cancelled"), _audio(2.5, 1.0, "r2"))
    listener, cuts = _fed(*events)
    assert [cut.item_id for cut in cuts] == ["item_r1"]
    assert _heard_s(listener) == [1.02, 2.0, 2.52, 3.52]
    assert listener.replies["r1"].status == "cancelled"


def test_a_completed_reply_is_heard_to_its_end() -> None:
    listener, cuts = _fed(_audio(1.0, 3.0), _done(1.1, "completed"))
    assert not cuts
    assert _heard_s(listener) == [1.02, 4.02]


def test_speech_after_the_end_of_a_reply_changes_nothing() -> None:
    listener, cuts = _fed(_audio(1.0, 0.5), _speech(3.0))
    assert not cuts
    assert listener.replies["r1"].flushed_s is None


def test_a_reply_that_waits_behind_another_is_thrown_away_whole() -> None:
    listener, cuts = _fed(_audio(1.0, 2.0), _audio(1.5, 1.0, "r2"), _speech(2.0))
    assert cuts == [Truncation("item_r1", 980), Truncation("item_r2", 0)]
    assert listener.replies["r2"].pieces == []


def test_words_are_heard_when_the_sound_before_them_was() -> None:
    created = ResponseCreated("created", START_S + 1.0, {}, "r1")
    listener, _ = _fed(
        created,
        _text(1.0, "Once"),
        _audio(1.0, 0.5),
        _text(1.0, " up"),
        _text(1.0, "on a"),
        _audio(1.0, 0.5),
        _text(1.0, " time"),
        _speech(1.62),
    )
    reply = listener.replies["r1"]
    assert [word for word, _ in reply.words] == ["Once", "upon", "a", "time"]
    assert reply.words_heard() == ["Once", "upon", "a"]


def test_the_past_of_the_tape_is_padded_with_silence() -> None:
    listener, _ = _fed(_audio(0.0, 1.0))
    begin = round(BUFFER_S * WIRE_RATE_HZ)
    heard = listener.heard_before(begin + 10, begin + 50)
    assert len(heard) == begin + 50
    assert np.flatnonzero(heard).tolist() == list(range(begin + 40, begin + 50))
    assert not listener.heard_before(-5, 20).any()
