"""Servers' tools as functions: which of them, under which names, allowed by whom."""

from __future__ import annotations

from typing import Any

import pytest

from voiceserver.gateway.mcp import offer
from voiceserver.gateway.mcp.offer import Listing, functions_of, listing, needs_approval

Wire = dict[str, Any]


def tool(name: str, *, reads: bool = False, schema_chars: int = 0) -> Wire:
    schema = {"type": "object", "title": "x" * schema_chars}
    annotations = {"readOnlyHint": reads}
    return {"name": name, "description": "", "input_schema": schema, "annotations": annotations}


TOOLS = [tool("look", reads=True), tool("write"), tool("erase")]


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (None, ["look", "write", "erase"]),
        (["erase", "unknown"], ["erase"]),
        ([], []),
        ({"read_only": True}, ["look"]),
        ({"read_only": False}, ["write", "erase"]),
        ({"tool_names": ["look", "write"], "read_only": False}, ["write"]),
    ],
)
def test_the_client_chooses(allowed: object, names: list[str]) -> None:
    chosen = listing(TOOLS, {"allowed_tools": allowed})
    assert [tool["name"] for tool in chosen.tools] == names


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        (None, ["look", "write", "erase"]),
        ("always", ["look", "write", "erase"]),
        ("never", []),
        ({"never": {"read_only": True}}, ["write", "erase"]),
        ({"never": {}}, ["look", "write", "erase"]),
        ({"always": {"tool_names": ["erase"]}, "never": {"tool_names": ["look"]}}, TOOLS[1:]),
    ],
)
def test_who_is_asked_before_a_call(rule: object, asked: list[Any]) -> None:
    names = [entry["name"] if isinstance(entry, dict) else entry for entry in asked]
    server = {"require_approval": rule}
    assert [t["name"] for t in TOOLS if needs_approval(t, server)] == names


def test_a_listing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(listing([tool(f"t{i}") for i in range(500)], {}).tools) == offer.MOST_TOOLS
    assert listing([tool("huge", schema_chars=20_000), tool("small")], {}).tools[0]["name"] == (
        "small"
    )
    monkeypatch.setattr(offer, "MOST_LISTING_CHARS", 1000)
    assert 1 < len(listing([tool(f"t{i}") for i in range(50)], {}).tools) < 10


def test_no_two_functions_have_one_name() -> None:
    servers = [
        ({"server_label": "a b"}, Listing((tool("x.y"), tool("x/y"), tool("x y")))),
        ({"server_label": "b"}, Listing((tool("own"), tool("z" * 100)))),
    ]
    functions, served = functions_of(servers, ["own"])
    assert [f.name for f in functions] == ["x_y", "a_b_x_y", "a_b_x_y_0", "b_own", "z" * 64]
    assert [(s.server_label, s.name) for s in served][:3] == [
        ("a b", "x.y"),
        ("a b", "x/y"),
        ("a b", "x y"),
    ]
