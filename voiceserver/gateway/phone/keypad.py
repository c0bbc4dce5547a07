"""Keys pressed on the telephone: digits are gathered until `#` or a pause makes them an entry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

KEYS = frozenset("0123456789*#ABCD")
PAUSE_S = 1.5  # after the last key an entry without `#` is complete
MOST_KEYS = 64


class Keypad:
    """Gathers one caller's keys; `entered` gets each entry, without the `#` that ended it."""

    def __init__(self, entered: Callable[[str], None]) -> None:
        self._entered = entered
        self._keys = ""
        self._timer: asyncio.TimerHandle | None = None

    def press(self, key: str) -> None:
        """One key of KEYS."""
        self.close()
        if key != "#":
            self._keys += key
        if key == "#" or len(self._keys) == MOST_KEYS:
            self._enter()
        else:
            self._timer = asyncio.get_running_loop().call_later(PAUSE_S, self._enter)

    def _enter(self) -> None:
        keys, self._keys = self._keys, ""
        self._entered(keys or "#")

    def close(self) -> None:
        """Wait for nothing more."""
        if self._timer is not None:
            self._timer.cancel()
