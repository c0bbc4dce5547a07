"""A folder with random weights, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from voiceserver.bench.sync_llm.random_checkpoint import write_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sync-llm"))
