"""Functions that a model may call, and its calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called."""

    call_id: str
    name: str
    arguments: str  # JSON


@dataclass(frozen=True)
class Function:
    """A function that the model may call."""

    name: str
    description: str
    parameters: dict[str, Any]  # JSON schema


@dataclass(frozen=True)
class Tools:
    """What may be called in one reply; only told if `calls_tools`."""

    functions: tuple[Function, ...] = ()
    choice: Literal["auto", "none", "required", "function"] = "auto"
    function_name: str = ""  # the one to be called, if the choice is a function
    parallel: bool = True  # several calls in one reply


NO_TOOLS = Tools()
