"""Spoils recorded client events in every way a broken or hostile client might. Seeded."""

from __future__ import annotations

import base64
import copy
import json
from random import Random
from typing import Any

Json = Any
DEEP = 5000

WORDS = [
    "", "\x00", "root", "realtime", "none", "auto", "null", "type", "user", "🎉", "\ud800",
    "-1", "nan", "1e999", "AAAA", "=", "../../etc/passwd", "<b>", "%s%n", "x" * 600,
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 2**31, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308, -1e308, 5e-324,
    float("inf"), float("nan"),
]  # fmt: skip


class Mutator:
    """Makes one frame after another out of the events of recorded sessions."""

    def __init__(self, sessions: list[list[Json]], seed: int) -> None:
        self.rng = Random(seed)
        self._sessions = sessions
        self._events = [event for session in sessions for event in session]
        self._types = sorted({event["type"] for event in self._events})

    def session(self) -> list[str | bytes]:
        """The frames of a recorded session, most of them spoiled."""
        recorded = self.rng.choice(self._sessions)
        return [self.frame(event) for event in recorded for _ in range(self.rng.randint(1, 3))]

    def frame(self, event: Json) -> str | bytes:
        """One frame: usually an event that has been spoiled once or more."""
        event = copy.deepcopy(event)
        if self.rng.random() > 0.1:
            for _ in range(self.rng.choice((1, 1, 1, 2, 4))):
                event = self._spoil(event)
        text = json.dumps(event)
        how = self.rng.random()
        if how < 0.1:
            return self._spoil_text(text)
        return self._as_bytes(text) if how < 0.2 else text

    def value(self) -> Json:
        """Some value that does not belong where it is put."""
        pick = self.rng.randrange(9)
        if pick < 3:
            return self.rng.choice(NUMBERS)
        if pick < 6:
            return self.rng.choice(WORDS)
        if pick < 8:
            return self.rng.choice([None, True, False, [], {}, [None], {"type": "type"}])
        return copy.deepcopy(self._somewhere(self.rng.choice(self._events)))

    def _somewhere(self, value: Json) -> Json:
        """A part of an event, or all of it."""
        while isinstance(value, dict | list) and value and self.rng.random() < 0.6:
            value = self.rng.choice(list(value.values()) if isinstance(value, dict) else value)
        return value

    def _spoil(self, event: Json) -> Json:
        """One change at a random place."""
        if isinstance(event, dict) and self.rng.random() < 0.05:
            return event | {"type": self.rng.choice(self._types)}
        root: dict[str, Json] = {"": event}
        holder: Json = root
        key: Json = ""
        deeper = 0.97  # an event without its type teaches little
        while isinstance(holder[key], dict | list) and holder[key] and self.rng.random() < deeper:
            deeper = 0.85
            holder = holder[key]
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = self.rng.choice(keys)
            if holder is event and key == "type" and self.rng.random() < 0.9:
                key = self.rng.choice(keys)
        self._change(holder, key)
        return root[""]

    def _change(self, holder: Json, key: Json) -> None:
        pick = self.rng.randrange(10)
        if pick == 0 and key != "":
            del holder[key]
        elif pick == 1:
            holder[key] = None
        elif pick < 5:
            holder[key] = self.value()
        elif pick == 5:
            holder[key] = [holder[key]]
        elif pick == 6 and isinstance(holder, dict) and key != "":
            holder[self.rng.choice(WORDS)] = holder.pop(key)
        elif pick == 7 and isinstance(holder[key], list):
            holder[key] = holder[key] * self.rng.choice((0, 2, 300))
        elif pick == 8 and isinstance(holder[key], str):
            holder[key] = self._spoil_string(holder[key])
        elif isinstance(holder[key], dict):
            holder[key][self.rng.choice(WORDS)] = self.value()

    def _spoil_string(self, text: str) -> str:
        at = self.rng.randint(0, len(text))
        pick = self.rng.randrange(6)
        if pick == 0:
            return text[:at]
        if pick == 1:
            return text + text
        if pick == 2 and self.rng.random() < 0.1:
            return "y" * self.rng.choice((40_000, 400_000))
        if pick == 3:
            return base64.b64encode(self.rng.randbytes(self.rng.randrange(400))).decode()
        return text[:at] + self.rng.choice(WORDS) + text[at:]

    def _spoil_text(self, text: str) -> str:
        at = self.rng.randrange(len(text))
        pick = self.rng.randrange(5)
        if pick == 0:
            return text[:at]
        if pick == 1:
            return text + text
        if pick == 2:
            opening = self.rng.choice(('{"type":', "[", '{"session":{"a":'))
            return opening * self.rng.choice((10, 70, 900, DEEP))
        if pick == 3:
            deep = self.rng.choice((30, 63, 64, 65, 900, DEEP))
            inner = "[" * deep + "]" * deep
            return '{"type": "session.update", "session": {"tracing": {"x": ' + inner + "}}}"
        return text[:at] + self.rng.choice('{}[]",:\\ 9eE+-\x00\u2028') + text[at + 1 :]

    def _as_bytes(self, text: str) -> bytes:
        data = text.encode(self.rng.choice(("utf-8", "utf-16", "utf-32", "utf-8-sig")))
        at = self.rng.randrange(len(data))
        pick = self.rng.randrange(4)
        if pick == 0:
            return data
        if pick == 1:
            return data[:at] + bytes([self.rng.randrange(128, 256)]) + data[at + 1 :]
        return data[:at] if pick == 2 else self.rng.randbytes(self.rng.randrange(200))
