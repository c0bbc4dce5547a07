"""A real gateway over a real socket with `scripted_engine.py` as its engine process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; the helper lies beside us

from gateway_calls import Gateway, running_gateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One server with usual settings for all tests that need nothing special."""
    with running_gateway(tmp_path_factory.mktemp("gateway") / "journal") as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., AbstractContextManager[Gateway]]:
    """Start a server of the test's own."""
    return partial(running_gateway, tmp_path / "journal")
