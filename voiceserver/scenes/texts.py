"""What users say, by what it is: one file a kind in `texts/`, one text a line.

`|` marks a place where a speaker may hesitate. Of each kind every second line is held out: training
never hears it. Backchannels and fillers are so few words that both parts share them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

Part = Literal["training", "held_out"]
PARTS: tuple[Part, ...] = ("training", "held_out")
SHARED = ("backchannels", "fillers")
KINDS = (
    "questions",
    "long_turns",
    "interruptions",
    "backchannels",
    "asides",
    "fillers",
    "broadcasts",
)


@cache
def texts(kind: str, part: Part) -> tuple[str, ...]:
    """All texts of a kind that this part may use."""
    lines = _lines(kind)
    return lines if kind in SHARED else lines[PARTS.index(part) :: 2]


@cache
def prompts() -> tuple[str, ...]:
    """Typed requests whose answers are long."""
    return _lines("prompts")


def _lines(name: str) -> tuple[str, ...]:
    return read_lines(files(__package__).joinpath("texts", f"{name}.txt"))


def read_lines(file: Traversable) -> tuple[str, ...]:
    """The texts of a file, without its comments."""
    told = file.read_text(encoding="utf-8")
    return tuple(line for line in told.splitlines() if line and not line.startswith("#"))
