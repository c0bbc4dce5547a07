"""From the tools that servers have to the functions that a model is offered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voiceserver.engine.tools import Function
from voiceserver.session.served_tools import ServedTool, ToolError

Wire = dict[str, Any]

MOST_TOOLS = 128  # of one server; those after are left out
MOST_TOOL_CHARS = 16_000  # of one tool's description and schema
MOST_LISTING_CHARS = 256_000
MOST_NAME_CHARS = 64  # of a function, for most thinkers' endpoints
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Listing:
    """What became of asking a server for its tools."""

    tools: tuple[Mapping[str, Any], ...] = ()  # as the protocol writes them
    error: ToolError | None = None


def listing(tools: Iterable[Mapping[str, Any]], server: Wire) -> Listing:
    """A server's tools, without those that the client has not allowed."""
    allowed = [t for t in tools if _selected(t, server.get("allowed_tools"), otherwise=True)]
    kept: list[Mapping[str, Any]] = []
    room_chars = MOST_LISTING_CHARS
    for tool in allowed[:MOST_TOOLS]:
        chars = len(json.dumps(tool))
        if chars <= min(MOST_TOOL_CHARS, room_chars):
            kept.append(tool)
            room_chars -= chars
    return Listing(tuple(kept))


def needs_approval(tool: Mapping[str, Any], server: Wire) -> bool:
    """Whether the client wants to be asked before each call; the protocol's default is yes."""
    rule = server.get("require_approval")
    if not isinstance(rule, dict):
        return rule != "never"
    if _selected(tool, rule.get("always"), otherwise=False):
        return True
    return not _selected(tool, rule.get("never"), otherwise=False)


def _selected(tool: Mapping[str, Any], chosen: Any, *, otherwise: bool) -> bool:
    """Whether a list of names, or a filter, chooses the tool; `otherwise` where there is none."""
    if chosen is None:
        return otherwise
    names = chosen.get("tool_names") if isinstance(chosen, dict) else chosen
    if names is not None and tool["name"] not in names:
        return False
    read_only = chosen.get("read_only") if isinstance(chosen, dict) else None
    if read_only is None:
        return names is not None
    reads_only = bool((tool.get("annotations") or {}).get("readOnlyHint"))
    return reads_only is read_only


def functions_of(
    servers: Sequence[tuple[Wire, Listing]], taken: Iterable[str]
) -> tuple[list[Function], list[ServedTool]]:
    """All servers' tools as functions; none has a name that is `taken`, or the same twice."""
    names = set(taken)
    functions: list[Function] = []
    served: list[ServedTool] = []
    for server, listed in servers:
        label = server["server_label"]
        for tool in listed.tools:
            name = _function_name(label, tool["name"], names)
            names.add(name)
            description = tool.get("description") or ""
            functions.append(Function(name, description, dict(tool["input_schema"])))
            asks = needs_approval(tool, server)
            served.append(ServedTool(name, label, tool["name"], asks))
    return functions, served


def _function_name(label: str, name: str, taken: set[str]) -> str:
    """The tool's own name where that will do, else with its server's, else numbered."""
    plain = _NOT_IN_NAMES.sub("_", name)
    both = _NOT_IN_NAMES.sub("_", f"{label}_{name}")
    numbered = (f"{both[: MOST_NAME_CHARS - 4]}_{i}" for i in range(len(taken) + 1))
    choices = (plain[:MOST_NAME_CHARS], both[:MOST_NAME_CHARS], *numbered)
    return next(choice for choice in choices if choice not in taken)
