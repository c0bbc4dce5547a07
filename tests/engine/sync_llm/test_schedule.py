from __future__ import annotations

import pytest

from voiceserver.clock import FakeClock
from voiceserver.engine.sync_llm.schedule import (
    LATEST_CHUNKS,
    SETTLING_CHUNKS,
    ChunkClock,
    Span,
    UserStream,
)

C = 2560


@pytest.mark.parametrize(("chunk_ms", "samples"), [(160, 2560), (200, 3200), (240, 3840)])
def test_an_hour_of_chunks_ends_with_the_hour(chunk_ms: int, samples: int) -> None:
    fake = FakeClock(start_s=12345.678)
    clock = ChunkClock(fake, chunk_ms)
    assert clock.samples == samples
    chunks = 3_600_000 // chunk_ms
    for number in range(chunks):  # sleeping as long as it says, again and again
        assert clock.number() == number
        fake.advance(clock.until_s(number + 1))
    assert fake.now_s() == pytest.approx(12345.678 + 3600, abs=1e-6)
    assert clock.number() == chunks
    assert clock.sample() == 3600 * 16_000


def test_times_within_a_chunk() -> None:
    fake = FakeClock()
    clock = ChunkClock(fake, 160)
    fake.advance(0.2)
    assert clock.number() == 1
    assert clock.until_s(1) == 0.0
    assert clock.until_s(1, 0.75) == pytest.approx(0.08)
    assert clock.until_s(2) == pytest.approx(0.12)


def streamed(stream: UserStream, chunks: int, now: int = 0) -> int:
    """So many chunks arrive on time, one by one; returns the time after them."""
    for _ in range(chunks):
        now += C
        stream.received(C, now)
        stream.passed(now)
        list(stream.ready(now // C))
    return now


def test_a_stream_on_time_gives_each_chunk_when_it_has_passed() -> None:
    stream = UserStream(C)
    stream.received(C, C)
    assert list(stream.ready(0)) == []
    assert stream.is_ready(1)
    assert list(stream.ready(1)) == [Span(0, 0, C)]
    assert not stream.is_ready(1)
    stream.received(C - 1, 2 * C)
    assert list(stream.ready(2)) == []
    stream.received(1, 2 * C)
    assert list(stream.ready(2)) == [Span(1, C, 2 * C)]


def test_a_stream_that_begins_within_a_chunk_begins_with_silence() -> None:
    stream = UserStream(C)
    stream.received(100, 10 * C + 700)  # its sample 0 was spoken at 10 C + 600
    stream.received(C, 11 * C + 700)
    assert list(stream.ready(11)) == [Span(10, -600, C - 600)]


def test_what_comes_late_in_one_piece_comes_in_order() -> None:
    stream = UserStream(C)
    now = streamed(stream, 5)
    stream.received(4 * C, now + 4 * C)  # nothing for three chunks, then all of it
    assert [span.number for span in stream.ready(9)] == [5, 6, 7, 8]
    assert stream.lost_chunks == 0


def test_what_is_ahead_waits_for_its_time() -> None:
    stream = UserStream(C)
    now = streamed(stream, 2)
    stream.received(10 * C, now)
    assert list(stream.ready(2)) == []
    assert [span.number for span in stream.ready(3)] == [2]


def test_after_a_hole_the_stream_is_laid_anew() -> None:
    stream = UserStream(C)
    now = streamed(stream, 5)
    now += 100 * C  # muted
    stream.received(C, now)
    (span,) = list(stream.ready(now // C))
    assert span == Span(now // C - 1, 5 * C, 6 * C)  # the newest samples, at the present time
    assert stream.lost_chunks > 80


def test_a_stream_that_stays_late_catches_up() -> None:
    """Three chunks were lost for good: what follows lies where it was spoken, after a while."""
    stream = UserStream(C)
    now = streamed(stream, 5) + 3 * C
    numbers = []
    for _ in range(SETTLING_CHUNKS + 5):
        now += C
        stream.received(C, now)
        stream.passed(now)
        numbers.append([now // C - 1 - span.number for span in stream.ready(now // C)])
    assert numbers[0] == [3]
    assert numbers[-1] == [0]


def test_a_stream_that_runs_ahead_is_held_back_by_dropping() -> None:
    """A sound card that is fast by a hundredth does not pile up."""
    stream = UserStream(C)
    now = waiting = 0
    for _ in range(2000):
        now += C
        stream.received(C + 26, now)
        stream.passed(now)
        for span in stream.ready(now // C):
            waiting = stream._position - span.end
    assert waiting < 3 * C


def test_lateness_within_a_chunk_moves_nothing() -> None:
    stream = UserStream(C)
    stream.received(C, C)
    assert [span.number for span in stream.ready(1)] == [0]
    for number in range(1, 40):
        now = (number + 1) * C
        stream.passed(now)
        assert list(stream.ready(number + 1)) == []  # not there yet
        stream.received(C, now + C - 1)
        assert list(stream.ready(number + 1)) == [Span(number, number * C, (number + 1) * C)]


def test_what_is_too_late_is_counted_as_lost() -> None:
    stream = UserStream(C)
    streamed(stream, 2)
    assert list(stream.ready(2 + LATEST_CHUNKS + 4)) == []
    assert stream.lost_chunks == 4
