"""A session's rule for ends of turns in calls whose pauses and ends are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.nn.duplex import DuplexPolicy, DuplexShape
from voiceserver.nn.judges import TURN_END, Judge
from voiceserver.scenes.texts import PARTS, texts
from voiceserver.training.duplex import timelines
from voiceserver.training.duplex.development import OF_THEIR_OWN, development_texts
from voiceserver.training.duplex.replay import READ_AFTER, decided, is_end, replayed
from voiceserver.training.duplex.timelines import NEVER, Call, Pause, Turn

PAUSE = Pause(noticed=100, resumed=140, spoke_until=98 * VAD_WINDOW_SAMPLES, text="How is")
END = Pause(noticed=200, resumed=NEVER, spoke_until=198 * VAD_WINDOW_SAMPLES, text="How is it?")
TURN = Turn(
    call=0,
    first=True,
    end=198 * VAD_WINDOW_SAMPLES,
    last_window=280,
    silences=((98 * VAD_WINDOW_SAMPLES, 139 * VAD_WINDOW_SAMPLES),),
    pauses=(PAUSE, END),
)


def forecasts(probability: float) -> np.ndarray:
    return np.full(80, probability, np.float32)


def test_a_sure_forecast_decides_after_two_windows() -> None:
    assert decided(END, forecasts(0.9), 0.5, None) == END.noticed + 1
    assert decided(PAUSE, forecasts(0.01), 0.1, 0.01) is None, "they go on first"


def test_words_decide_where_nobody_else_is_sure_and_not_before_they_are_read() -> None:
    at = decided(END, forecasts(0.5), 0.5, 0.95)
    assert at == END.noticed + READ_AFTER + 1
    unread = decided(END, forecasts(0.5), 0.5, None)
    assert unread is not None
    assert unread > at


def test_what_is_never_sure_ends_when_patience_does() -> None:
    at = decided(END, forecasts(0.0), 0.0, 0.0)
    assert at is not None
    waited_samples = (at + 1) * VAD_WINDOW_SAMPLES - END.spoke_until
    assert waited_samples == pytest.approx(2.5 * 16_000, abs=VAD_WINDOW_SAMPLES)


def test_a_pause_after_the_last_word_is_the_end() -> None:
    assert [is_end(TURN, pause) for pause in TURN.pauses] == [False, True]


def test_calls_on_disk_are_the_calls_that_were_written(tmp_path: Path) -> None:
    call = Call(np.zeros((300, 65), np.float16), np.ones((2, 2, 1921), np.float16), (TURN,))
    timelines.write(tmp_path, 3, [call, replace(call, turns=())])
    first, second = timelines.read(tmp_path)
    assert first.turns == (TURN,)
    assert second.turns == ()
    np.testing.assert_array_equal(first.pooled, call.pooled)


def test_each_turn_is_counted_once() -> None:
    torch.manual_seed(0)
    features = np.zeros((300, 65), np.float16)
    call = Call(features, np.zeros((2, 2, 1921), np.float16), (TURN,))
    random = DuplexPolicy(DuplexShape()), Judge(TURN_END)  # random weights
    result = replayed([call, call], *random, lambda _text: None)
    assert result.with_pauses == 2
    assert len(result.delays_s) == 2
    assert all(0 < delay_s < 2.7 for delay_s in result.delays_s)


@pytest.mark.parametrize("kind", OF_THEIR_OWN)
def test_development_texts_are_neither_trained_on_nor_held_out(kind: str) -> None:
    ours = {text.replace("|", "") for text in development_texts(kind)}
    assert len(ours) >= 10
    assert all(ours.isdisjoint(t.replace("|", "") for t in texts(kind, part)) for part in PARTS)
