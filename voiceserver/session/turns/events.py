"""What a turn detector notices. All positions are samples of the session's audio clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Began:
    onset_sample: int  # first voiced sample
    start_sample: int  # with padding: where the turn's audio begins


@dataclass(frozen=True)
class Paused:
    """The user may have finished: a good moment to prepare an answer."""

    spoke_until_sample: int
    end_sample: int


@dataclass(frozen=True)
class Resumed:
    """The user went on after a pause."""


@dataclass(frozen=True)
class AskTurnEnd:
    """Ask the model of turn ends about the audio up to `end_sample`; `judged` takes the answer."""

    end_sample: int


@dataclass(frozen=True)
class Ended:
    spoke_until_sample: int
    end_sample: int


@dataclass(frozen=True)
class Doubted:
    """A sound while the assistant speaks: it may become an interruption."""


@dataclass(frozen=True)
class AskFloor:
    """Ask whether a sound over the assistant's takes the floor; `floor_judged` takes the answer."""

    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class AskWords:
    """Ask the recogniser what is said in a doubtful sound; `told` takes the answer."""

    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class Dismissed:
    """What was doubted is no interruption."""


@dataclass(frozen=True)
class Listened:
    """A good listener would now say "mm-hm": the user is in a long turn."""


TurnEvent = (
    Began
    | Paused
    | Resumed
    | AskTurnEnd
    | Ended
    | Doubted
    | AskFloor
    | AskWords
    | Dismissed
    | Listened
)
