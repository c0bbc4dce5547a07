"""What is taken out of the play queue, and what is told of it."""

from __future__ import annotations

import numpy as np
import pytest

from voiceserver.gateway.webrtc.play_queue import CUSHION_S, FADE_S, MOST_S, PlayQueue, Sound
from voiceserver.session.notices import ReplyInfo

RATE_HZ = 1000


def reply(name: str) -> ReplyInfo:
    return ReplyInfo(
        response_id=name,
        item_id=f"item_{name}",
        speak=True,
        in_conversation=True,
        metadata=None,
        max_output_tokens="inf",
        status="in_progress",
    )


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, int]] = []

    def note(self, what: str, sound: Sound) -> None:
        self.events.append((what, sound.reply.response_id, sound.taken_samples))

    def sound_began(self, sound: Sound) -> None:
        self.note("began", sound)

    def sound_went(self, sound: Sound) -> None:
        self.note("went", sound)

    def sound_ended(self, sound: Sound) -> None:
        self.note("ended", sound)


def ramp(count: int, start: int = 1) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int16)


@pytest.mark.parametrize("step", [1, 7, 20, 64])
def test_taken_in_pieces_it_is_the_same_sound(step: int) -> None:
    told = Told()
    queue = PlayQueue(RATE_HZ, told)
    queue.push(reply("a"), ramp(30))
    queue.push(reply("a"), ramp(30, 31))
    queue.finish("a")
    queue.push(reply("b"), ramp(10, 61))
    queue.finish("b")
    taken = np.concatenate([queue.take(step) for _ in range(-(-80 // step))])
    assert taken[:70].tolist() == ramp(70).tolist()
    assert not taken[70:].any()
    assert [e for e in told.events if e[0] != "went"] == [
        ("began", "a", min(step, 60)),
        ("ended", "a", 60),
        ("began", "b", min(step, 10) if 60 % step == 0 else min(step - 60 % step, 10)),
        ("ended", "b", 10),
    ]
    assert not queue.unfinished


def test_a_reply_that_runs_dry_waits_for_a_cushion() -> None:
    told = Told()
    queue = PlayQueue(RATE_HZ, told)
    cushion = int(CUSHION_S * RATE_HZ)
    queue.push(reply("a"), ramp(10))
    assert queue.take(20).any()  # the first sound waits for nothing
    queue.push(reply("a"), ramp(cushion - 1))
    assert not queue.take(20).any()
    queue.push(reply("a"), ramp(1))
    assert queue.take(cushion).all()
    queue.take(1)
    queue.push(reply("a"), ramp(3))
    queue.finish("a")  # no more will come: nothing to wait for
    assert np.count_nonzero(queue.take(20)) == 3
    assert told.events[-1] == ("ended", "a", 10 + cushion + 3)


def test_the_end_is_told_when_it_comes_after_the_last_sample() -> None:
    told = Told()
    queue = PlayQueue(RATE_HZ, told)
    queue.push(reply("a"), ramp(10))
    queue.take(10)
    assert queue.unfinished
    queue.finish("a")
    queue.take(10)
    assert told.events[-1] == ("ended", "a", 10)
    assert not queue.unfinished


def test_cleared_it_fades_and_says_what_was_cut() -> None:
    told = Told()
    queue = PlayQueue(RATE_HZ, told)
    queue.push(reply("a"), np.full(100, 1000, np.int16))
    queue.push(reply("b"), np.full(100, 1000, np.int16))
    queue.take(40)
    fade = int(FADE_S * RATE_HZ)
    cut = queue.clear()
    assert [(s.reply.response_id, s.begun, s.taken_samples) for s in cut] == [
        ("a", True, 40 + fade),
        ("b", False, 0),
    ]
    rest = queue.take(50)
    assert rest[:fade].tolist() == [1000 * (fade - i) // fade for i in range(fade)]
    assert not rest[fade:].any()
    assert ("ended", "a", 100) not in told.events
    assert queue.clear() == []


def test_it_holds_so_much_and_drops_the_oldest() -> None:
    queue = PlayQueue(RATE_HZ, Told())
    most = int(MOST_S * RATE_HZ)
    assert queue.push(reply("a"), np.full(most, 1, np.int16)) == 0
    assert queue.push(reply("a"), np.full(5, 2, np.int16)) == 5
    assert queue.waiting_samples == most
    assert queue.take(most)[-5:].tolist() == [2] * 5
