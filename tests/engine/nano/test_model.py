"""The family around a thinker that is somewhere else: nothing is done while nothing has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from voiceserver.engine.family import Ended, Task, Written
from voiceserver.engine.messages import ChatMessage, EndReason
from voiceserver.engine.nano.model import Nano
from voiceserver.engine.thinking.thinker import Thinking
from voiceserver.engine.tools import ToolCall

Dialogue = tuple[ChatMessage, ...]
CALL = ToolCall("k", "look", "{}")


class Elsewhere:
    """A thinker whose pieces come when the test says so."""

    calls_tools, reads_images, reads_ahead, dialogue_chars = True, False, True, 99

    def __init__(self) -> None:
        self.come: dict[int, list[Thinking]] = {}
        self.unread: list[Dialogue] = []
        self.ended = False

    @property
    def cold(self) -> bool:
        return bool(self.unread)

    def warm(self) -> None:
        self.unread.pop()

    def read_ahead(self, slot: int, dialogue: Dialogue) -> None:
        self.unread.append(dialogue)

    def begin(self, slot: int, task: Task) -> None:
        self.come[slot] = []

    def stop(self, slot: int) -> None:
        self.come.pop(slot, None)

    def forget(self, slot: int) -> None:
        self.stop(slot)

    def has_more(self, slot: int) -> bool:
        return bool(self.come.get(slot))

    def step(self, slots: Sequence[int]) -> list[Thinking]:
        return [self.come[slot].pop(0) for slot in slots if self.has_more(slot)]

    def shut_down(self) -> None:
        self.ended = True


class Deaf:
    """A listener with nothing to do."""

    def pending(self) -> bool:
        return False

    def end(self) -> None: ...


class Mute:
    """A voice that is not asked for."""

    sample_rate_hz, frame_samples = 22_050, 1792


@pytest.fixture
def thinker() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def nano(thinker: Elsewhere) -> Nano:
    return Nano(cast(Any, Deaf()), thinker, cast(Any, Mute()), 2)


def task() -> Task:
    return Task((), False, max_tokens=9, temperature=0.0, seed=0)


def test_the_loop_may_sleep_until_the_thinker_has_written(nano: Nano, thinker: Elsewhere) -> None:
    nano.begin(0, task())
    assert not nano.work().thinking
    assert nano.think() == []
    thinker.come[0] += [Thinking(0, "Hello"), Thinking(0, " there.", EndReason.COMPLETED, 3, 2)]
    assert nano.work().thinking
    assert nano.think() == [Written(0, "Hello")]
    assert nano.think() == [Written(0, " there."), Ended(0, EndReason.COMPLETED, 3, 2)]
    assert not nano.work().thinking


def test_calls_and_failures_reach_the_end(nano: Nano, thinker: Elsewhere) -> None:
    nano.begin(1, task())
    thinker.come[1].append(Thinking(1, "", EndReason.COMPLETED, calls=(CALL,)))
    [ended] = nano.think()
    assert isinstance(ended, Ended)
    assert ended.calls == (CALL,)
    nano.begin(1, task())
    thinker.come[1].append(Thinking(1, "", EndReason.FAILED, failure="timeout", message="late"))
    [ended] = nano.think()
    assert isinstance(ended, Ended)
    assert (ended.reason, ended.thinker_failure, ended.message) == ("failed", "timeout", "late")


def test_reading_ahead_is_work_that_nobody_waits_for(nano: Nano, thinker: Elsewhere) -> None:
    nano.read_ahead(0, ())
    assert nano.work().cold
    assert not nano.work().thinking
    nano.think()
    assert thinker.unread, "thinking is for replies"
    nano.warm()
    assert not nano.work().cold


def test_what_the_thinker_can_is_said_and_it_ends_with_the_family(
    nano: Nano, thinker: Elsewhere
) -> None:
    greeting = nano.shape.greeting()
    assert (greeting.calls_tools, greeting.dialogue_chars) == (True, 99)
    assert greeting.reads_ahead
    nano.shut_down()
    assert thinker.ended
