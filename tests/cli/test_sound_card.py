"""What `voiceserver talk` plays and how it counts it, called as PortAudio's threads would."""

from __future__ import annotations

import asyncio

import pytest

from voiceserver.cli.sound_card import BLOCK_SAMPLES, SoundCard
from voiceserver.errors import VoiceserverError

BLOCK_BYTES = 2 * BLOCK_SAMPLES


@pytest.fixture
def card() -> SoundCard:
    try:
        return SoundCard()
    except VoiceserverError as error:
        pytest.skip(str(error))


def _played(card: SoundCard) -> bytes:
    block = bytearray(b"\xff" * BLOCK_BYTES)
    card._on_played(memoryview(block), BLOCK_SAMPLES, None, None)
    return bytes(block)


def test_silence_is_played_when_nothing_waits(card: SoundCard) -> None:
    assert _played(card) == bytes(BLOCK_BYTES)


def test_a_flush_tells_how_much_was_played_and_stops(card: SoundCard) -> None:
    card.begin()
    card.play(b"\x01" * (3 * BLOCK_BYTES))
    assert _played(card) == b"\x01" * BLOCK_BYTES
    assert _played(card) == b"\x01" * BLOCK_BYTES
    assert card.flush() == 40
    assert _played(card) == bytes(BLOCK_BYTES)


def test_nothing_is_reported_when_all_was_played(card: SoundCard) -> None:
    card.begin()
    card.play(b"\x01" * 100)
    assert _played(card).startswith(b"\x01" * 100)
    assert card.flush() is None


def test_the_end_of_the_last_reply_does_not_count_for_the_next(card: SoundCard) -> None:
    card.begin()
    card.play(b"\x01" * BLOCK_BYTES)
    card.begin()
    card.play(b"\x02" * (2 * BLOCK_BYTES))
    _played(card)
    assert _played(card) == b"\x02" * BLOCK_BYTES
    assert card.flush() == 20


async def test_recorded_blocks_come_in_order(card: SoundCard) -> None:
    waiting = asyncio.create_task(card.recorded())
    await asyncio.sleep(0)
    for number in range(3):
        await asyncio.to_thread(card._on_recorded, bytes([number]) * 4, 2, None, None)
    assert await waiting == bytes(4)
    assert [await card.recorded() for _ in range(2)] == [b"\x01" * 4, b"\x02" * 4]
