"""What kernel files must not use: the interpreter cannot run it, or Triton has dropped it."""

from __future__ import annotations

from pathlib import Path

import pytest

from voiceserver import kernels

FILES = sorted(Path(kernels.__file__).parent.glob("*.py"))
BANNED = ("make_block_ptr", "libdevice", "inline_asm", "autotune")


def _banned(source: str) -> list[str]:
    return [word for word in BANNED if word in source]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_banned_is_used(path: Path) -> None:
    assert not _banned(path.read_text(encoding="utf-8"))


def test_the_rule_would_notice() -> None:
    assert _banned("y = tl.math.libdevice.tanh(x)") == ["libdevice"]
