"""The stream's length is the wall clock's; a reply goes out whole, once and in order, or stops."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceserver.clock import FakeClock
from voiceserver.gateway.live.pacer import DELTA_MS, FADE_MS, Pacer

RATES_HZ = (8_000, 16_000, 24_000)


@dataclass
class Listener:
    """Keeps what it was sent, and how much of it when."""

    pacer: Pacer
    sound: list[np.ndarray] = field(default_factory=list)
    words: list[tuple[str, int]] = field(default_factory=list)

    def listen(self, now_s: float) -> None:
        for delta in self.pacer.due(now_s):
            self.sound.append(delta.samples)
            self.words += [(f.text, f.start_sample) for f in delta.fragments]

    @property
    def heard(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, np.int16), *self.sound])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), rate_hz=st.sampled_from(RATES_HZ))
def test_every_sample_goes_out_once_in_order_and_on_time(data: st.DataObject, rate_hz: int) -> None:
    clock = FakeClock(data.draw(st.floats(0, 1e6)))
    start_s = clock.now_s()
    pacer = Pacer(rate_hz, start_s)
    listener = Listener(pacer)
    delta_samples = rate_hz * DELTA_MS // 1000
    said = 0  # samples are numbered; 0 is silence
    placed: list[tuple[str, int]] = []  # word -> number of its first sample
    listener.listen(clock.now_s())
    for step in range(data.draw(st.integers(1, 30))):
        for _ in range(data.draw(st.integers(0, 3))):
            size = data.draw(st.integers(1, 3 * delta_samples))
            numbers = (np.arange(said, said + size) % 32_000 + 1).astype(np.int16)
            placed.append((f" word{len(placed)}", said))
            pacer.speak("item", numbers, placed[-1][0])
            said += size
        clock.advance(data.draw(st.floats(0, 0.5)))
        listener.listen(clock.now_s())
        elapsed_samples = (clock.now_s() - start_s) * rate_hz
        ahead = pacer.sent_samples - elapsed_samples
        assert -1e-3 < ahead <= delta_samples + 1e-3, step  # never late, never more than one delta
        assert len(listener.heard) == pacer.sent_samples
    clock.advance(said / rate_hz + 0.2)
    listener.listen(clock.now_s())
    heard = listener.heard
    positions = np.flatnonzero(heard)
    np.testing.assert_array_equal(heard[positions], np.arange(said) % 32_000 + 1)
    assert listener.words == [(word, positions[number]) for word, number in placed]
    assert pacer.played == (("item", said / rate_hz) if said else ("", 0.0))


@settings(max_examples=60, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    stop_after_s=st.floats(0.0, 2.0),
    more=st.booleans(),
)
def test_an_interruption_is_silence_within_one_delta(
    rate_hz: int, stop_after_s: float, more: bool
) -> None:
    clock = FakeClock()
    pacer = Pacer(rate_hz, 0.0)
    listener = Listener(pacer)
    pacer.speak("first", np.full(5 * rate_hz, 1000, np.int16), "word")
    clock.advance(stop_after_s)
    listener.listen(clock.now_s())
    sent = pacer.sent_samples
    pacer.stop()
    pacer.stop()  # as when the same voice is noticed twice
    if more:
        pacer.speak("second", np.full(rate_hz // 10, 7, np.int16), " next")
    clock.advance(1.0)
    listener.listen(clock.now_s())
    after = listener.heard[sent:]
    fade = rate_hz * FADE_MS // 1000
    first = np.flatnonzero(np.abs(after) > 7)
    assert first.size == 0 or first[-1] < fade
    assert np.all(np.diff(after[:fade].astype(int)) <= 0) or more
    assert np.count_nonzero(after == 7) >= (rate_hz // 10 if more else 0)
    assert [word for word, _ in listener.words] == ["word", " next"][: 1 + more]


def test_what_was_never_begun_is_not_faded_in() -> None:
    pacer = Pacer(24_000, 0.0)
    pacer.speak("item", np.full(24_000, 1000, np.int16), "never")
    pacer.stop()
    assert not pacer.speaking
    (delta,) = pacer.due(0.0)
    assert not delta.samples.any()
    assert not delta.fragments


def test_a_hundred_hours_do_not_drift() -> None:
    pacer = Pacer(24_000, 12.345)
    pacer.sent_samples = 100 * 3600 * 24_000
    assert pacer.next_s == pytest.approx(12.345 + 360_000, abs=1e-6)
    (delta,) = pacer.due(pacer.next_s)
    assert len(delta.samples) == 1920


def test_text_without_sound_stands_at_the_end() -> None:
    pacer = Pacer(8_000, 0.0)
    pacer.speak("item", np.ones(100, np.int16), "all")
    pacer.speak("item", np.zeros(0, np.int16), ".")
    (delta,) = pacer.due(0.0)
    assert [(f.text, f.start_sample, f.end_sample) for f in delta.fragments] == [
        ("all", 0, 100),
        (".", 100, 100),
    ]


def test_one_item_is_stopped_and_the_others_go_on() -> None:
    pacer = Pacer(8_000, 0.0)
    for item_id, value in (("a", 1), ("b", 2), ("a", 3)):
        pacer.speak(item_id, np.full(100, value, np.int16))
    pacer.stop("a")
    assert not pacer.holds("a")
    (delta,) = pacer.due(0.0)
    assert delta.samples[:100].tolist() == [2] * 100
    assert not delta.samples[100:].any()
