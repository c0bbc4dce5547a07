"""Which chunk it is by the engine's clock, and which chunk a sample of the user's belongs to.

Every position is computed from the origin, in whole samples, so nothing adds up over the hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from voiceserver.clock import LISTEN_RATE_HZ, Clock
from voiceserver.nn.sync_llm.chunks import UNIT_SAMPLES, units_per_chunk

LATEST_CHUNKS = 8  # a real chunk later than this is of no use any more
SETTLING_CHUNKS = 12  # how long a stream is off by more than a chunk before it is moved


class ChunkClock:
    """The engine's time in chunks; all sessions share it, so that they step together."""

    def __init__(self, clock: Clock, chunk_ms: int) -> None:
        self.samples = units_per_chunk(chunk_ms) * UNIT_SAMPLES  # of the user's, in a chunk
        self.chunk_s = self.samples / LISTEN_RATE_HZ
        self._clock = clock
        self._origin_s = clock.now_s()

    def sample(self) -> int:
        """Whole samples since the origin; a hair of a sample early counts as there."""
        passed_s = self._clock.now_s() - self._origin_s
        return int(passed_s * LISTEN_RATE_HZ + 1e-3)

    def number(self) -> int:
        """Of the chunk that passes now."""
        return self.sample() // self.samples

    def until_s(self, number: int, share: float = 0.0) -> float:
        """Seconds until a chunk begins, or until this share of it has passed; 0 if that is over."""
        moment_s = (number + share) * self.samples / LISTEN_RATE_HZ
        return max(0.0, moment_s - (self._clock.now_s() - self._origin_s))


@dataclass(frozen=True)
class Span:
    """A chunk's audio, in samples of the user's stream; what is before sample 0 was silence."""

    number: int
    begin: int
    end: int


class UserStream:
    """Lays one user's stream of samples on the grid of chunks.

    The stream carries no time. Its first samples are taken to have been spoken just before they
    came; after that samples are counted. Where it has been off by more than a chunk for a while
    (audio was lost, or the user's sound card runs fast), it is laid anew.
    """

    def __init__(self, chunk_samples: int) -> None:
        self._chunk = chunk_samples
        self._offset: int | None = None  # where on the clock the stream's sample 0 lies
        self._position = 0  # samples received
        self._next = 0  # chunk to be read next
        self._slacks: deque[int] = deque(maxlen=SETTLING_CHUNKS)  # samples ahead of the clock
        self._came = False  # anything since the newest of them
        self.lost_chunks = 0  # that came too late, or never

    def received(self, count: int, now_sample: int) -> None:
        """More of the stream has come, at this time."""
        self._came = True
        slack = self._slack(now_sample)
        self._position += count
        if self._offset is None:
            self._offset = now_sample - self._position
            self._next = self._offset // self._chunk
        elif slack + count < -LATEST_CHUNKS * self._chunk:  # there was a hole before it
            self._move(now_sample - self._position - self._offset, self._position - count)

    def _slack(self, now_sample: int) -> int:
        return 0 if self._offset is None else self._offset + self._position - now_sample

    def passed(self, now_sample: int) -> None:
        """A chunk has passed: see whether the stream keeps up with the clock."""
        if self._offset is None:
            return
        if not self._came:
            self._slacks.clear()  # a stream that is silent has no pace
            return
        self._came = False
        self._slacks.append(self._slack(now_sample))
        if len(self._slacks) == SETTLING_CHUNKS:
            if (late := -max(self._slacks)) > self._chunk:
                self._move(late)
            elif (early := min(self._slacks)) > self._chunk:
                self._move(-early)

    def _move(self, samples: int, unread_from: int | None = None) -> None:
        """Lay it later (or earlier); nothing is read twice, nor before `unread_from`."""
        assert self._offset is not None, "the stream has begun"
        unread = unread_from
        if unread is None:
            unread = min(self._next * self._chunk - self._offset, self._position)
        self._offset += samples
        first = -(-(unread + self._offset) // self._chunk)
        self.lost_chunks += max(0, first - self._next)
        self._next = max(first, self._next)
        self._slacks.clear()

    def ready(self, before: int) -> Iterator[Span]:
        """Chunks with smaller numbers than `before` that are there, in order; each only once."""
        if self._offset is None:
            return
        oldest = before - LATEST_CHUNKS
        if self._next < oldest:
            self.lost_chunks += oldest - self._next
            self._next = oldest
        while self._next < before:
            begin = self._next * self._chunk - self._offset
            if begin + self._chunk > self._position:
                return
            self._next += 1
            yield Span(self._next - 1, begin, begin + self._chunk)

    def is_ready(self, before: int) -> bool:
        """Whether `ready` would bring something."""
        if self._offset is None:
            return False
        number = max(self._next, before - LATEST_CHUNKS)
        return number < before and (number + 1) * self._chunk - self._offset <= self._position
