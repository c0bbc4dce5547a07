"""What a client commits by hand: the voice in the buffer, with some silence around it."""

from __future__ import annotations

import pytest

from voiceserver.engine.messages import SpeechActivity
from voiceserver.errors import ClientError
from voiceserver.session.listening.input_buffer import Committed, InputBuffer

S = 16_000


def heard(start_s: float, voice_s: tuple[float, float] | None, end_s: float) -> InputBuffer:
    buffer = InputBuffer()
    buffer.restart(round(start_s * S))
    for end in range(512, round(end_s * S) + 1, 512):
        voiced = voice_s is not None and voice_s[0] * S < end <= voice_s[1] * S
        buffer.hear(SpeechActivity("s", end, 0.9 if voiced else 0.01, -30.0, 0.0))
    return buffer


def test_silence_before_and_after_the_voice_is_left_out() -> None:
    committed = heard(0.0, (2.0, 3.0), 5.0).committed(5 * S, 5 * S)
    assert committed.spoken
    assert committed.start_sample / S == pytest.approx(1.7, abs=0.05)
    assert committed.end_sample / S == pytest.approx(3.3, abs=0.05)


def test_what_has_not_been_listened_to_yet_may_be_speech() -> None:
    buffer = heard(0.0, (2.0, 3.0), 4.0)
    assert buffer.committed(5 * S, 4 * S).end_sample == 5 * S
    assert heard(0.0, None, 1.0).committed(2 * S, S) == Committed(0, 2 * S, spoken=True)


def test_silence_is_nothing_said() -> None:
    assert heard(0.0, None, 2.0).committed(2 * S, 2 * S) == Committed(0, 2 * S, spoken=False)


def test_voice_before_the_buffer_belongs_to_an_earlier_turn() -> None:
    assert not heard(3.0, (1.0, 2.0), 5.0).committed(5 * S, 5 * S).spoken


def test_too_little_cannot_be_committed() -> None:
    with pytest.raises(ClientError, match="99ms of audio"):
        heard(1.0, None, 1.0).committed(S + 99 * 16, S)
    assert heard(1.0, None, 1.0).committed(S + 1600, S + 1600).end_sample == S + 1600
