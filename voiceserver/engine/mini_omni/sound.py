"""The codec beside the model: frames go in, sound comes out when it is done.

On the CPU the codec works in a thread of its own, on the other core, while the model makes the next
step; results are collected by whoever comes by. On a GPU it works at once. Orders are carried out
in the order they were given; an exception costs the slots whose frames were in that order.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voiceserver.engine.family import Samples
from voiceserver.engine.mini_omni.reply import Frame
from voiceserver.engine.mini_omni.voice import SnacVoice

log = logging.getLogger(__name__)

Order = Callable[[], None]


@dataclass(frozen=True)
class Sounded:
    """What became of one order for one slot."""

    slot: int
    samples: Samples
    last: bool = False  # nothing more comes of the utterance
    error: Exception | None = None


class Sound:
    """The voice of all slots, and what it has to do."""

    def __init__(self, voice: SnacVoice, wake: Callable[[], None], *, threaded: bool) -> None:
        self._voice = voice
        self._wake = wake
        self._tenants: Counter[int] = Counter()  # by slot: utterances that are over
        self._results: queue.SimpleQueue[tuple[int, Sounded]] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="codec", daemon=True)
            self._thread.start()

    @property
    def rate_hz(self) -> int:
        return self._voice.sample_rate_hz

    def start(self, slot: int, seed: int) -> None:
        """A new utterance."""
        self._give(lambda: self._voice.start(slot, seed))

    def decode(self, frames: Mapping[int, Frame]) -> None:
        """The next frame of each of these slots."""
        if frames:
            tenants = {slot: self._tenants[slot] for slot in frames}
            self._give(lambda: self._decode(dict(frames), tenants))

    def finish(self, slots: Sequence[int]) -> None:
        """There are no more frames: bring what the delays still hold."""
        if slots:
            tenants = {slot: self._tenants[slot] for slot in slots}
            self._give(lambda: self._flush(tenants))

    def stop(self, slot: int) -> None:
        """Forget the utterance, results on their way included."""
        self._tenants[slot] += 1
        self._give(lambda: self._voice.stop(slot))

    def ready(self) -> bool:
        """Whether `collect` would bring something."""
        return not self._results.empty()

    def collect(self) -> list[Sounded]:
        """What has been done since the last call."""
        done: list[Sounded] = []
        while not self._results.empty():
            tenant, sounded = self._results.get()
            if tenant == self._tenants[sounded.slot]:
                done.append(sounded)
        return done

    def end(self) -> None:
        """Let the thread finish what it does and stop."""
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join()

    def _give(self, order: Order) -> None:
        if self._thread is None:
            order()
        else:
            self._orders.put(order)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            order()
            if self.ready():
                self._wake()

    def _decode(self, frames: Mapping[int, Frame], tenants: Mapping[int, int]) -> None:
        try:
            sounds = self._voice.decode(frames)
        except Exception as error:
            self._failed(tenants, error)
            return
        for slot, samples in sounds.items():
            self._results.put((tenants[slot], Sounded(slot, samples)))

    def _flush(self, tenants: Mapping[int, int]) -> None:
        try:
            pieces: dict[int, list[Samples]] = {slot: [] for slot in tenants}
            while left := [slot for slot in tenants if not self._voice.flushed(slot)]:
                for slot, samples in self._voice.decode(dict.fromkeys(left)).items():
                    pieces[slot].append(samples)
        except Exception as error:
            self._failed(tenants, error)
            return
        for slot, found in pieces.items():
            samples = np.concatenate(found) if found else np.zeros(0, np.float32)
            self._results.put((tenants[slot], Sounded(slot, samples, last=True)))

    def _failed(self, tenants: Mapping[int, int], error: Exception) -> None:
        log.error("the codec failed", exc_info=error)
        silence = np.zeros(0, np.float32)
        for slot, tenant in tenants.items():
            self._results.put((tenant, Sounded(slot, silence, error=error)))
