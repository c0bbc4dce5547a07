"""What tests of every folder share: one real server with the real weights, started at first use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from voiceserver.bench.server import RunningServer, server_at


@pytest.fixture(scope="session")
def live_server() -> Iterator[RunningServer]:
    """`voiceserver serve` in a process of its own, for the whole test run."""
    with server_at(None) as server:
        yield server
