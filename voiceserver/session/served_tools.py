"""Tools that this server calls itself, on servers of tools (MCP): who has them, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class ServedTool:
    """A function of the model's that is a tool of one of the servers."""

    function_name: str  # as the model knows it
    server_label: str
    name: str  # as its server knows it
    needs_approval: bool = False  # of the client, for each call


@dataclass(frozen=True)
class ToolError:
    """Why there is no result; `code` is that of HTTP or of the protocol."""

    kind: Literal["http_error", "protocol_error", "tool_execution_error"]
    message: str
    code: int = 0


@dataclass(frozen=True)
class Served:
    """What an item has that is about a server of tools."""

    server_label: str = ""
    function_name: str = ""  # of a call or a request for approval
    output_index: int = 0  # in the response that called
    alone: bool = True  # that response called nothing that is the client's to answer
    error: ToolError | None = None
    tools: tuple[Mapping[str, Any], ...] = ()  # of a listing
    approval_request_id: str | None = None
    approve: bool = False  # of the client's answer to a request for approval
    reason: str | None = None
