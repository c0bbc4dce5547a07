"""Calls from simulated telephone networks to a real gateway with the scripted engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; the helpers lie beside us

from gateway_calls import Gateway, running_gateway


@pytest.fixture(scope="session")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server whose assistant answers every spoken turn for 24 s."""
    journal = tmp_path_factory.mktemp("talkative") / "journal"
    with running_gateway(journal, say="long turn %d") as running:
        yield running
