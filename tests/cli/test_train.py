"""`voiceserver train`: what it refuses before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from voiceserver.cli.train import app
from voiceserver.errors import VoiceserverError


def test_a_talker_needs_a_codec(tmp_path: Path) -> None:
    folders = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    with pytest.raises(VoiceserverError, match="train codec"):
        CliRunner().invoke(app, ["talker", *folders], catch_exceptions=False)


def test_an_unknown_device_is_named(tmp_path: Path) -> None:
    options = ["--work", str(tmp_path), "--out", str(tmp_path), "--device", "abacus"]
    with pytest.raises(VoiceserverError, match="abacus"):
        CliRunner().invoke(app, ["codec", *options], catch_exceptions=False)
