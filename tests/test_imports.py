"""Imports run one way: cli -> gateway -> session; gateway -> engine only through its messages;
engine -> nn -> kernels. Read from the source, so that lazy imports count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import voiceserver

PACKAGE = Path(voiceserver.__file__).parent
BASE = {"clock", "config", "errors", "threads"}

# What each room may import of this project; a dotted name allows only that module.
MAY_IMPORT: dict[str, set[str]] = {
    "clock": set(),
    "threads": set(),
    "errors": set(),
    "config": {"errors"},
    "metrics": {"clock"},
    "assets": {"config", "errors"},
    "audio": {"clock", "errors"},
    "kernels": {"errors", "config"},
    "nn": {"kernels", "audio", "clock", "errors"},
    "engine": {"nn", "kernels", "audio", "assets", *BASE},
    "session": {
        "audio.noise_floor",
        "engine.messages",
        "engine.tools",
        "engine.images",
        "engine.forecast",
        "clock",
        "errors",
        "config",
    },
    "gateway": {
        "session",
        "engine.messages",
        "engine.tools",
        "engine.images",
        "engine.wire",
        "audio",
        "metrics",
        *BASE,
    },
    "scenes": {"audio", "assets", *BASE},
    "training": {"nn", "kernels", "audio", "assets", "engine", "session", "scenes", *BASE},
    "bench": {"assets", "audio", "engine", "session", "nn", "kernels", "training", "scenes", *BASE},
    "cli": {"gateway", "bench", "training", "scenes", "assets", "audio", "engine", "nn", *BASE},
    "__main__": {"cli"},
    "__init__": set(),
}

FORBIDDEN_LIBRARIES = {
    "session": {"torch", "asyncio", "time", "numpy", "fastapi"},
    "gateway": {"torch", "transformers", "faster_whisper", "onnxruntime"},
    "engine": {"fastapi", "uvicorn", "websockets"},
}


def _rooms() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        first = path.relative_to(PACKAGE).parts[0]
        yield first.removesuffix(".py"), path


def _imported(path: Path) -> Iterator[str]:
    """Full names of all modules and names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _allowed(name: str, room: str) -> bool:
    if not name.startswith("voiceserver."):
        return True
    inner = name.removeprefix("voiceserver.")
    allowed = MAY_IMPORT[room] | {room}
    return any(inner == rule or inner.startswith(f"{rule}.") for rule in allowed)


def test_every_room_has_a_rule() -> None:
    assert {room for room, _ in _rooms()} <= set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("room", "path"),
    list(_rooms()),
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_imports_run_one_way(room: str, path: Path) -> None:
    wrong = [name for name in _imported(path) if not _allowed(name, room)]
    assert not wrong, f"{path.relative_to(PACKAGE)} must not import {wrong}"
    libraries = {name.split(".")[0] for name in _imported(path)}
    assert not libraries & FORBIDDEN_LIBRARIES.get(room, set())


def test_the_python_client_stands_alone() -> None:
    client = PACKAGE.parent / "clients" / "python" / "voiceserver_client"
    for path in client.glob("*.py"):
        libraries = {name.split(".")[0] for name in _imported(path)}
        assert not libraries & {"voiceserver", "openai", "numpy", "torch"}, path


def test_the_rule_would_notice() -> None:
    assert not _allowed("voiceserver.gateway.app.create_app", "session")
    assert not _allowed("voiceserver.engine.loop.Loop", "gateway")
    assert _allowed("voiceserver.engine.messages.Cancel", "gateway")
    assert not _allowed("voiceserver.engine.messages_of_old.Cancel", "gateway")
