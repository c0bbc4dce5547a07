"""How loud a sound is for its room: over a noise floor that falls at once and rises slowly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

QUIETEST_DBFS: Final = -90.0  # digital silence says nothing of the room
RISES_DB: Final = 0.06  # a VAD window: about 2 dB a second


@dataclass
class NoiseFloor:
    """Of one microphone."""

    dbfs: float

    def over_db(self, level_dbfs: float) -> float:
        """Take the next VAD window's level; how far it is over the floor."""
        level = max(level_dbfs, QUIETEST_DBFS)
        self.dbfs = min(level, self.dbfs + RISES_DB)
        return level - self.dbfs
