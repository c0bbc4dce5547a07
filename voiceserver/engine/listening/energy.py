"""Turn taking by loudness alone: the baseline that the duplex policy has to beat.

A window well above the running noise floor is speech, half a second of silence ends a turn, and any
200 ms of sound are an interruption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from voiceserver.audio.noise_floor import NoiseFloor
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.engine.family import Samples, Window
from voiceserver.engine.forecast import OWN_FORECAST, USER_FORECAST, Forecast

ABOVE_FLOOR_DB: Final = 12.0
QUIETEST_SPEECH_DBFS: Final = -55.0
SILENCE_WINDOWS: Final = round(0.5 * LISTEN_RATE_HZ / VAD_WINDOW_SAMPLES)
INTERRUPTION_WINDOWS: Final = round(0.2 * LISTEN_RATE_HZ / VAD_WINDOW_SAMPLES)


@dataclass
class _Room:
    """What a slot's microphone has heard."""

    floor: NoiseFloor = field(
        default_factory=lambda: NoiseFloor(QUIETEST_SPEECH_DBFS - ABOVE_FLOOR_DB)
    )
    loud: int = 0  # windows in a row
    quiet: int = SILENCE_WINDOWS

    def hear(self, level_dbfs: float) -> bool:
        """Take a window's level; whether it is loud."""
        over_db = self.floor.over_db(level_dbfs)
        is_loud = over_db >= ABOVE_FLOOR_DB and level_dbfs >= QUIETEST_SPEECH_DBFS
        self.loud, self.quiet = (self.loud + 1, 0) if is_loud else (0, self.quiet + 1)
        return is_loud

    def expects(self) -> str:
        """What the user is about to do."""
        if self.loud >= INTERRUPTION_WINDOWS:
            return "interrupts"
        return "yields" if self.quiet >= SILENCE_WINDOWS else "silent"


class EnergyForecaster:
    """Loud or not, for every slot."""

    def __init__(self, slots: int) -> None:
        self._rooms = [_Room() for _ in range(slots)]

    def reset(self, slot: int) -> None:
        self._rooms[slot] = _Room()

    def step(self, windows: Sequence[Window], user: Samples, own: Samples) -> list[Window]:
        return [self._judged(window) for window in windows]

    def _judged(self, window: Window) -> Window:
        room = self._rooms[window.slot]
        loud = room.hear(window.level_dbfs)
        forecast = Forecast(_only(USER_FORECAST, room.expects()), _only(OWN_FORECAST, "silent"))
        return replace(window, probability=float(loud), echo_likeness=0.0, forecast=forecast)


def _only(names: Sequence[str], name: str) -> tuple[float, ...]:
    return tuple(float(each == name) for each in names)
