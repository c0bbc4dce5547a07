"""The tools of a session or a response, as the model is told of them."""

from __future__ import annotations

from typing import Any

from voiceserver.engine.tools import Function, Tools

Wire = dict[str, Any]

_NO_PARAMETERS: Wire = {"type": "object", "properties": {}}


def tools_of(given: list[Wire], choice: Any, parallel: bool) -> Tools:
    """Validated tools in the session's own form; only functions can be called by this server."""
    functions = tuple(
        Function(
            name=tool["name"],
            description=tool.get("description") or "",
            parameters=tool.get("parameters") or _NO_PARAMETERS,
        )
        for tool in given
        if tool["type"] == "function"
    )
    if choice == "none" or choice == "required":
        return Tools(functions, choice, parallel=parallel)
    name = choice.get("name") if isinstance(choice, dict) else None
    if any(function.name == name for function in functions):
        return Tools(functions, "function", str(name), parallel)
    return Tools(functions, parallel=parallel)
