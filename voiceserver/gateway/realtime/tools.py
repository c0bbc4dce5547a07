"""The tools of a session or a response, as the model is told of them."""

from __future__ import annotations

from typing import Any

from voiceserver.engine.tools import Function, Tools
from voiceserver.gateway.mcp.toolbox import Toolbox
from voiceserver.session.served_tools import ServedTool

Wire = dict[str, Any]
Served = tuple[ServedTool, ...]

_NO_PARAMETERS: Wire = {"type": "object", "properties": {}}
_SECRET = ("authorization", "headers")


def offered(
    given: list[Wire], choice: Any, parallel: bool, toolbox: Toolbox | None = None
) -> tuple[Tools, Served]:
    """Validated tools in the session's own form, and those that we call on their servers."""
    functions = [
        Function(
            name=tool["name"],
            description=tool.get("description") or "",
            parameters=tool.get("parameters") or _NO_PARAMETERS,
        )
        for tool in given
        if tool["type"] == "function"
    ]
    of_servers, served = ([], []) if toolbox is None else toolbox.functions(given)
    functions += of_servers
    if choice == "none" or choice == "required":
        return Tools(tuple(functions), choice, parallel=parallel), tuple(served)
    if isinstance(choice, dict):
        chosen = _chosen(choice, served)
        if any(function.name in chosen for function in functions):
            only = tuple(f for f in functions if f.name in chosen or len(chosen) == 1)
            if len(chosen) == 1:
                return Tools(only, "function", chosen[0], parallel), tuple(served)
            return Tools(only, "required", parallel=parallel), tuple(served)
    return Tools(tuple(functions), parallel=parallel), tuple(served)


def _chosen(choice: Wire, served: list[ServedTool]) -> list[str]:
    """The functions of which one must be called."""
    if choice["type"] == "function":
        return [choice["name"]]
    name = choice.get("name")
    return [
        tool.function_name
        for tool in served
        if tool.server_label == choice["server_label"] and name in (None, tool.name)
    ]


def shown(tools: list[Wire]) -> list[Wire]:
    """The tools as the client is shown them: without what lets us in at their servers.

    Whoever has a client secret may see the session, but not what its issuer put in there.
    """
    return [{k: v for k, v in tool.items() if k not in _SECRET} for tool in tools]
