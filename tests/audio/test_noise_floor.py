"""The noise floor of a room, from the levels of its windows."""

from __future__ import annotations

import pytest

from voiceserver.audio.noise_floor import QUIETEST_DBFS, NoiseFloor


def test_the_floor_falls_at_once_and_rises_slowly() -> None:
    floor = NoiseFloor(-40.0)
    assert floor.over_db(-70.0) == 0.0
    assert [floor.over_db(-30.0) for _ in range(31)][-1] == pytest.approx(38.1, abs=0.1)
    assert floor.over_db(-72.0) == 0.0


def test_a_steady_noise_becomes_the_floor() -> None:
    floor = NoiseFloor(-60.0)
    for _ in range(600):
        over_db = floor.over_db(-30.0)
    assert over_db == 0.0


def test_digital_silence_says_nothing_of_the_room() -> None:
    floor = NoiseFloor(-60.0)
    assert floor.over_db(-120.0) == 0.0
    assert floor.dbfs == QUIETEST_DBFS
