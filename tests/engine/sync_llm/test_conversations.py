"""The loop by the clock: injected delay, loss and jitter, slow steps, and a simulated hour."""

from __future__ import annotations

import random

import numpy as np
import pytest

from voiceserver.engine.sync_llm.conversations import LOST_CHUNKS

from .toy_checkpoint import Room


def play(room: Room, chunks: int, arrivals: list[tuple[float, int]], slot: int = 0) -> None:
    """Users' chunks arrive at these times (in chunks); the loop runs for so many chunks."""
    for moment, number in sorted(arrivals):
        room.until(moment * room.chunk_s)
        room.send(slot, number)
    room.until(chunks * room.chunk_s)


def on_the_grid(room: Room, slot: int = 0) -> list[int]:
    """Chunk numbers that were spoken; each must have begun exactly with its chunk."""
    numbers = []
    for moment_s, _ in room.heard[slot]:
        number = (moment_s - 1000.0) / room.chunk_s
        assert number == pytest.approx(round(number), abs=1e-4), f"spoken {number} chunks in"
        numbers.append(round(number))
    return numbers


def real(room: Room, numbers: range, slot: int = 0) -> list[bool]:
    return [room.contexts[slot].is_real(number) for number in numbers]


@pytest.mark.parametrize("chunk_ms", [160, 200, 240])
@pytest.mark.parametrize("delay", [0.0, 0.3, 0.74, 0.99])
def test_delay_up_to_a_chunk_does_not_delay_speech(chunk_ms: int, delay: float) -> None:
    room = Room(chunk_ms)
    room.all.open(0)
    room.until(0.0)
    # The first piece says where the stream lies; every later one is that much late.
    play(room, 40, [(1.0, 0)] + [(n + 1 + delay, n) for n in range(1, 39)])
    assert on_the_grid(room) == list(range(1, 41))
    if delay <= 0.74:
        assert all(real(room, range(39)))
    else:  # it came after its step had to be made, and was put in for the next one
        assert all(real(room, range(38)))
    said = [room.contexts[0].user(number)[0] for number in range(38)]
    assert said == [number + 1 for number in range(38)]


def test_sound_flows_at_the_rate_of_the_clock() -> None:
    room = Room()
    room.all.open(0)
    play(room, 20, [(n + 1.0, n) for n in range(20)])
    assert {len(samples) for _, samples in room.heard[0]} == {2560}
    spoken = np.concatenate([samples for _, samples in room.heard[0]])
    assert len(np.unique(np.round(spoken, 3))) > 10  # and says something


def test_a_lost_chunk_is_stood_in_for_by_its_estimate() -> None:
    room = Room()
    room.all.open(0)
    play(room, 9, [(n + 1.0, n) for n in range(8)])
    estimated = list(room.contexts[0].user(8))
    play(room, 11, [])
    assert on_the_grid(room) == list(range(1, 12))
    assert not room.contexts[0].is_real(8)
    assert list(room.contexts[0].user(8)) == estimated


def test_after_several_the_user_counts_as_silent_and_then_is_heard_again() -> None:
    room = Room()
    room.all.open(0)
    play(room, 30, [(n + 1.0, n) for n in range(5)])
    context = room.contexts[0]
    quiet = context.quiet
    assert [context.user(n) == quiet for n in range(12, 28)] == [True] * 16
    assert context.user(5) != quiet  # the first were estimated to go on
    assert LOST_CHUNKS > 1
    play(room, 40, [(n + 1.0, n) for n in range(30, 39)])
    assert all(real(room, range(31, 39)))
    assert on_the_grid(room) == list(range(1, 41))


def test_what_comes_after_its_successors_time_is_put_in_order() -> None:
    """A stalled network: three chunks at once, then on time again."""
    room = Room()
    room.all.open(0)
    arrivals = [(n + 1.0, n) for n in range(5)] + [(8.5, n) for n in range(5, 8)]
    play(room, 12, arrivals + [(n + 1.0, n) for n in range(8, 11)])
    assert all(real(room, range(11)))
    assert [room.contexts[0].user(n)[0] for n in range(11)] == [n + 1 for n in range(11)]
    assert on_the_grid(room) == list(range(1, 13))


def test_what_is_read_is_what_a_context_of_the_truth_would_be() -> None:
    """After late and re-fed chunks the row holds exactly the journal's tokens."""
    rng = random.Random(4)
    room = Room()
    room.all.open(0)
    arrivals, newest = [(1.0, 0)], 1.0
    for n in range(1, 60):
        newest = max(newest, n + 1 + rng.choice([0.0, 0.1, 0.6, 0.95, 2.2]))  # a stream keeps order
        arrivals.append((newest, n))
    play(room, 60, arrivals)
    assert on_the_grid(room) == list(range(1, 61))
    context = room.contexts[0]
    wanted = context.tokens()
    length, anew = context.plan()
    assert context._read == wanted[:length]
    assert wanted[length:] == anew


def test_two_users_step_together() -> None:
    room = Room()
    room.all.open(0)
    room.all.open(1)
    play(room, 1, [])
    for n in range(20):
        room.until((n + 1.0) * room.chunk_s)
        room.send(0, n)
        room.until((n + 1.1) * room.chunk_s)
        room.send(1, n + 100)
    room.until(21 * room.chunk_s)
    assert on_the_grid(room, 0) == on_the_grid(room, 1) == list(range(1, 22))
    alone = Room()
    alone.all.open(0)
    play(alone, 21, [(n + 1.0, n) for n in range(20)])
    assert room.network.passes < 1.3 * alone.network.passes


def test_steps_that_take_too_long_cost_their_chunks_and_no_more() -> None:
    room = Room()
    room.all.open(0)
    play(room, 10, [(n + 1.0, n) for n in range(9)])
    slow = iter([2.6 * room.chunk_s])
    room.network.on_read = lambda: room.clock.advance(next(slow, 0.0))
    play(room, 30, [(max(n + 1.0, 13.0), n) for n in range(9, 29)])
    spoken = [round((moment_s - 1000.0) / room.chunk_s, 1) for moment_s, _ in room.heard[0]]
    assert spoken[:10] == list(range(1, 11))
    assert spoken[-15:] == list(range(16, 31))  # on the grid again, no sound is made up for
    assert 25 <= len(spoken) <= 28
    assert room.all._seats[0].missed_chunks >= 2


def test_a_user_who_sends_nothing_is_spoken_to() -> None:
    room = Room()
    room.all.open(0)
    play(room, 20, [])
    assert on_the_grid(room) == list(range(1, 21))


def test_a_slot_closed_is_forgotten_and_opened_anew() -> None:
    room = Room()
    room.all.open(0)
    play(room, 10, [(n + 1.0, n) for n in range(9)])
    room.all.close(0)
    assert room.all.work().wake_in_s is None
    room.clock.advance(55.5 * room.chunk_s)
    room.all.open(0)
    assert room.contexts[0].last == 65
    assert room.contexts[0].user(64) == room.contexts[0].quiet


def test_instructions_stand_in_front() -> None:
    room = Room()
    room.all.open(0)
    room.all.instruct(0, "Hi!")
    play(room, 5, [(n + 1.0, n) for n in range(4)])
    tokens = room.contexts[0].tokens()
    assert tokens[0] == 256
    assert len(tokens) > 4
    text = room.all._checkpoint.tokenizer.decode(tokens[:4])
    assert text == "Hi!"


def test_an_hour_later_it_is_where_the_clock_is() -> None:
    """With late and lost chunks all along; every chunk of ours begins with its chunk."""
    rng = random.Random(8)
    room = Room(240, slots=1, talkative=False, positions=64)
    room.all.open(0)
    chunks = 3_600_000 // 240
    for number in range(0, chunks, 50):
        room.until((number + 1 + rng.choice([0.0, 0.5, 0.9])) * room.chunk_s)
        room.all.received(0, room.samples)
    room.until(3600.0)
    heard = room.heard[0]
    assert len(heard) == chunks
    moments_s = np.array([moment_s for moment_s, _ in heard]) - 1000.0
    assert np.abs(moments_s - (np.arange(chunks) + 1) * room.chunk_s).max() < 1e-3
    assert sum(len(samples) for _, samples in heard) == 3600 * 16_000
    assert room.all._seats[0].missed_chunks == 0
