"""One background thread for slow listening work, so that speaking never waits for it.

Results stand in a queue that the loop empties; an exception becomes a failed result, so the thread
lives as long as the process.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Job(Generic[Result]):
    """Work for a slot. A `firm` job goes first and is never replaced by a newer one."""

    slot: int
    work: Callable[[], Result]
    failed: Result  # what is reported if the work raises
    firm: bool


class Background(Generic[Result]):
    """A thread, the jobs before it and the results behind it."""

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: list[tuple[Job[Result], int]] = []  # with the slot's tenant
        self._changed = threading.Condition()
        self._results: queue.SimpleQueue[tuple[int, int, Result]] = queue.SimpleQueue()
        self._tenants: Counter[int] = Counter()  # by slot: how many sessions have left it
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def crowded(self) -> bool:
        """Whether jobs wait."""
        return bool(self._waiting)

    def submit(self, job: Job[Result]) -> None:
        """Queue a job; jobs of its slot that wait and are not firm give way to it."""
        with self._changed:
            self._waiting = [(j, t) for j, t in self._waiting if j.slot != job.slot or j.firm]
            self._waiting.append((job, self._tenants[job.slot]))
            self._changed.notify()

    def forget(self, slot: int) -> None:
        """Drop a slot's jobs and results, the one being worked on included."""
        with self._changed:
            self._waiting = [(j, t) for j, t in self._waiting if j.slot != slot]
            self._tenants[slot] += 1

    def collect(self) -> list[Result]:
        """Results that came since the last call."""
        results: list[Result] = []
        while not self._results.empty():
            slot, tenant, result = self._results.get()
            if tenant == self._tenants[slot]:
                results.append(result)
        return results

    def end(self) -> None:
        """Let the thread finish what it does and stop."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (next_job := self._next()) is not None:
            job, tenant = next_job
            try:
                result = job.work()
            except Exception:  # bad audio or a bad model must cost one answer, not the thread
                log.exception("background listening failed")
                result = job.failed
            self._results.put((job.slot, tenant, result))
            self._wake()

    def _next(self) -> tuple[Job[Result], int] | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._ending)
            if self._ending:
                return None
            first = next((w for w in self._waiting if w[0].firm), self._waiting[0])
            self._waiting.remove(first)
            return first
